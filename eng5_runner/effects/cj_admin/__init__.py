"""The CJ service's administration side: instructions, prompts, rubrics, anchors."""
