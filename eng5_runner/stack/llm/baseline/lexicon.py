"""Words that the offline baseline judge looks for. General lists about English and its learners, from no essay."""

from __future__ import annotations

import re

_CONTRACTIONS_WITHOUT_APOSTROPHE = """
dont doesnt didnt isnt wasnt arent werent cant couldnt wouldnt shouldnt havent hasnt hadnt im ive thats theyre
"""
_COMMON_MISSPELLINGS = """
abit accross allways alot aswell becaus beacause beacuse becose becouse becuse begining beleive belive buissness
choosen comming convinient definately diffcult diffrent dissapear dissapoint enviroment exellent experiance favorit
finaly freetime freind futur goverment happend importent independant intresting knowlege langauge libary mabye mutch
neccessary noone noticable ofcourse oppinion peopel prefered probaly realy recieve recomend remeber scholl seperate
shoping shure sience somthing speach stoped succes suprise teatcher thier thougt throught togehter togheter tommorow
truely unfortunatly untill usally usefull wether whant whas wheather whit wich wierd whould writen writting yesteday
youself
"""
_PLURALS_THAT_ENGLISH_LACKS = (
    "advices childs childrens furnitures homeworks informations knowledges mans peoples womans"
)
_BASE_VERBS = """
be become begin break bring buy come cost do drive eat feel find get give go have help hold hurt keep know learn leave
like live look lose love make mean meet move need open pay play put run say see sell sit sleep smell stand start stay
stop take talk teach tell think try understand use visit wait walk want work write
"""
# After these a base verb may follow a singular subject: "does he go", "let it be".
_BEFORE_BASE_VERB = """
can could did do does doesn't don't had have help helped helping helps if let lets letting made make makes making may
might must saw see should that to watch watched will won't would
"""

MISSPELT = frozenset(
    (_CONTRACTIONS_WITHOUT_APOSTROPHE + _COMMON_MISSPELLINGS + _PLURALS_THAT_ENGLISH_LACKS).split(),
)
BASE_VERBS = frozenset(_BASE_VERBS.split())
BEFORE_BASE_VERB = frozenset((_BEFORE_BASE_VERB + "shall").split())
SINGULAR = frozenset({"he", "she", "it", "everyone", "everybody", "nobody", "somebody", "someone", "anyone"})
PLURAL = frozenset({"people", "they", "we", "you"})
SINGULAR_VERBS = frozenset({"is", "was", "has", "wants", "likes", "says"})
AUXILIARY = frozenset({"am", "are", "be", "been", "being", "is", "was", "were"})
PAST = frozenset({"became", "began", "came", "found", "got", "knew", "made", "saw", "thought", "took", "went", "wrote"})
COMPARATIVES = frozenset({"better", "bigger", "cheaper", "easier", "faster", "safer", "smaller"})
MAY_REPEAT = frozenset({"had", "that", "very", "so"})

CONNECTIVE = re.compile(
    r"\b(above all|after all|although|as if|as long as|as soon as|as well as|at first|because|besides|consequently"
    r"|despite|especially|even if|even though|finally|first of all|for example|for instance|furthermore|hence|however"
    r"|if|in addition|in contrast|in fact|in spite of|in the end|instead|meanwhile|moreover|nevertheless|nor|of course"
    r"|on the other hand|once|otherwise|perhaps|provided|rather than|since|so that|still|such as|that is why|therefore"
    r"|though|thus|unless|until|when|whenever|whereas|wherever|whether|which|while|whose|yet)\b"
)
