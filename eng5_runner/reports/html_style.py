"""How the report looks: quiet, on paper as on a screen."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light; --ink: #1b1f24; --soft: #59636e; --line: #d1d9e0; --student: #0b5cad; --anchor: #9a4a00; }
body { margin: 0; background: #fff; color: var(--ink); }
body { font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
p { margin: .5rem 0; overflow-wrap: anywhere; }
.note, figcaption, caption { color: var(--soft); font-size: .87rem; }
.good, .warn { border-left: 4px solid #1a7f37; background: #f0f8f2; padding: .5rem .8rem; }
.warn { border-color: #9a6700; background: #fff8e5; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem; margin: 1rem 0; }
.facts dt { color: var(--soft); } .facts dd { margin: 0; font-weight: 600; }
figure { margin: .5rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums; min-width: 50%; }
caption { text-align: left; padding: .2rem 0 .5rem; }
th, td { text-align: left; padding: .18rem .6rem .18rem 0; border-bottom: 1px solid #eaeef2; vertical-align: top; }
thead th { border-bottom: 1px solid var(--ink); font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 500; } .n { text-align: right; }
.grades td, .grades th { padding-left: .3rem; padding-right: .3rem; } .grades th:first-child { padding-left: 0; }
.grades .own { outline: 1.5px solid var(--ink); outline-offset: -2px; font-weight: 700; }
.files td { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .8rem; overflow-wrap: anywhere; }
.p1 { background: #e8f1fa; } .p2 { background: #d3e5f6; } .p3 { background: #bdd8f1; } .p4 { background: #a7cbec; }
.p5 { background: #92bee7; } .p6 { background: #7db1e2; } .p7 { background: #68a4dd; } .p8 { background: #5397d8; }
.p9 { background: #3e8ad3; }
pre { background: #f6f8fa; padding: .5rem .8rem; overflow-x: auto; }
.caterpillar { width: 100%; height: auto; font-size: 11.5px; }
.caterpillar text { fill: var(--ink); }
.caterpillar line { stroke: var(--soft); stroke-width: 1; }
.caterpillar .grade line { stroke: #b4bdc6; stroke-dasharray: 3 3; } .caterpillar .grade text { fill: var(--soft); }
.caterpillar .student line { stroke: var(--student); stroke-width: 1.6; }
.caterpillar .student circle { fill: var(--student); }
.caterpillar .anchor line { stroke: var(--anchor); stroke-width: 1.6; }
.caterpillar .anchor rect { fill: #fff; stroke: var(--anchor); stroke-width: 2; }
.caterpillar .anchor text { fill: var(--anchor); font-weight: 600; }
@media print {
  body { font-size: 10pt; } main { max-width: none; padding: 0; } .wide { overflow: visible; }
  h2, caption, thead { break-after: avoid; } tr, figure, pre { break-inside: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
