"""What the page looks like: on a screen by day and by night, on a phone, and on A4."""

from __future__ import annotations

from eng5_runner.reports.palette import DARK, LIGHT, variables
from eng5_runner.reports.plots.drawing import PLOT_STYLE

STYLE = f"""
:root {{ color-scheme: light; {variables(LIGHT)} --shade: 11 92 173; }}
@media screen and (prefers-color-scheme: dark) {{
  :root {{ color-scheme: dark; {variables(DARK)} --shade: 108 177 255; }}
}}
* {{ box-sizing: border-box; }}
html {{ -webkit-text-size-adjust: 100%; }}
body {{ margin: 0; background: var(--paper); color: var(--ink); }}
body {{ font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }}
main {{ max-width: 64rem; margin: 0 auto; padding: 1.75rem 1.25rem 4rem; }}
h1, h2, h3, h4 {{ line-height: 1.25; overflow-wrap: anywhere; }}
h1 {{ font-size: 1.55rem; margin: 0 0 1rem; letter-spacing: -.01em; }}
h2 {{ font-size: 1.2rem; margin: 2.75rem 0 .75rem; border-bottom: 1px solid var(--line); padding-bottom: .3rem; }}
h3 {{ font-size: 1rem; margin: 1.5rem 0 .4rem; }}
h4 {{ font-size: .93rem; margin: .8rem 0 .2rem; }}
p {{ margin: .5rem 0; overflow-wrap: anywhere; max-width: 46rem; }}
a {{ color: inherit; text-decoration-color: var(--soft); text-underline-offset: .15em; }}
:focus-visible {{ outline: 2px solid var(--student); outline-offset: 2px; }}
.note, figcaption, caption {{ color: var(--soft); font-size: .87rem; }}
figcaption strong {{ font-weight: 600; color: var(--ink); }}
.warn {{ border-left: 4px solid var(--fair); background: var(--fair-bg); padding: .5rem .8rem; max-width: none; }}

nav {{ margin: 1.5rem 0 0; font-size: .93rem; }}
nav ul {{ list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; }}

.verdict {{ border-radius: 8px; padding: 1.1rem 1.25rem 1rem; border: 1px solid; margin-bottom: 1rem; }}
.verdict h2 {{ display: flex; gap: .7rem; align-items: center; font-size: 1.3rem; }}
.verdict h2 {{ margin: 0 0 .9rem; padding: 0; border: 0; }}
.verdict.good {{ background: var(--good-bg); border-color: var(--good); }}
.verdict.fair {{ background: var(--fair-bg); border-color: var(--fair); }}
.verdict.bad {{ background: var(--bad-bg); border-color: var(--bad); }}
.verdict.none {{ background: var(--panel); border-color: var(--line); }}
.sign {{ flex: none; width: 1.9rem; height: 1.9rem; border-radius: 50%; font-size: 1.05rem; font-weight: 700; }}
.sign {{ display: grid; place-items: center; color: var(--paper); background: var(--soft); }}
.good .sign {{ background: var(--good); }} .fair .sign {{ background: var(--fair); }}
.bad .sign {{ background: var(--bad); }}
.answers {{ display: grid; grid-template-columns: max-content 1fr; gap: .4rem 1.25rem; margin: 0; }}
.answers dt {{ font-weight: 600; }} .answers dd {{ margin: 0; overflow-wrap: anywhere; }}
strong.good {{ color: var(--good); }} strong.fair {{ color: var(--fair); }} strong.bad {{ color: var(--bad); }}
strong.none {{ color: var(--soft); }}

.cards {{ display: grid; grid-template-columns: repeat(3, 1fr); gap: .75rem; margin: 1rem 0; }}
.card {{ border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; background: var(--panel); }}
.card p {{ margin: 0; }} .card .name {{ font-weight: 600; }} .card .note {{ line-height: 1.35; }}
.card .value {{ font-size: 1.9rem; font-weight: 650; line-height: 1.25; font-variant-numeric: tabular-nums; }}
.gauge {{ display: block; width: 100%; height: auto; margin: .35rem 0; }}
.gauge .band {{ fill-opacity: .55; }}
.facts {{ display: grid; grid-template-columns: max-content 1fr max-content 1fr; gap: .2rem 1.25rem; margin: 1rem 0; }}
.facts dt {{ color: var(--soft); }} .facts dd {{ margin: 0; overflow-wrap: anywhere; }}

figure {{ margin: .75rem 0; }}
.side {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 23rem), 1fr)); gap: 0 1.5rem; }}
.side figure {{ max-width: 36rem; }}
.plot {{ display: block; width: 100%; height: auto; }}
.columns {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)); gap: .5rem 1rem; }}
.positions .columns {{ display: none; }}
{PLOT_STYLE}
.wide {{ overflow-x: auto; margin: .5rem 0; }}
table {{ border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums; min-width: 50%; }}
caption {{ text-align: left; padding: .2rem 0 .5rem; max-width: min(46rem, calc(100vw - 2.5rem)); }}
th, td {{ text-align: left; padding: .22rem .6rem .22rem 0; vertical-align: top; }}
th, td {{ border-bottom: 1px solid var(--grid); }}
thead th {{ border-bottom: 1px solid var(--soft); font-weight: 600; white-space: nowrap; vertical-align: bottom; }}
tbody th {{ font-weight: 500; min-width: 8rem; overflow-wrap: anywhere; }} .n {{ text-align: right; }}
tbody tr:hover {{ background: var(--panel); }}
th button {{ font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }}
th button:hover {{ text-decoration: underline; }}
th[aria-sort] button::after {{ content: " ▲"; font-size: .7em; }}
th[aria-sort="descending"] button::after {{ content: " ▼"; }}
.name small {{ display: block; color: var(--soft); font-weight: 400; }}
td.name {{ min-width: 8rem; }} .name a {{ text-decoration: none; }} .name a:hover {{ text-decoration: underline; }}
.grades td, .grades th {{ padding-left: .3rem; padding-right: .3rem; }} .grades th:first-child {{ padding-left: 0; }}
.grades .own {{ outline: 1.5px solid var(--ink); outline-offset: -2px; font-weight: 700; }}
.judge td {{ min-width: 7rem; }} .judge td:last-child {{ min-width: 13rem; max-width: 22rem; }}
.files td {{ font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .8rem; overflow-wrap: anywhere; }}
{" ".join(f".p{shade} {{ background: rgb(var(--shade) / .{shade * 5:02}); }}" for shade in range(1, 10))}

.tools {{ display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; margin: .5rem 0; font-size: .87rem; }}
.tools input, .tools select {{ font: inherit; color: var(--ink); background: var(--paper); padding: .3rem .5rem; }}
.tools input, .tools select {{ border: 1px solid var(--soft); border-radius: 5px; }}
.tools output {{ color: var(--soft); }}

details {{ border-bottom: 1px solid var(--grid); padding: .3rem 0; }}
summary {{ cursor: pointer; overflow-wrap: anywhere; }}
summary h3, summary h4 {{ display: inline; margin: 0; font-size: .93rem; }}
.folds summary {{ color: var(--soft); }} .folds summary h3, .folds summary h4 {{ color: var(--ink); }}
.folds ul {{ margin: .2rem 0 .6rem; padding-left: 1.1rem; }}
.folds li {{ margin: .3rem 0; overflow-wrap: anywhere; max-width: 48rem; }}
.surprise::marker {{ color: var(--fair); }} .surprise > strong {{ color: var(--fair); }}
q {{ color: var(--ink); }}
.essay {{ white-space: pre-wrap; background: var(--panel); border-radius: 6px; padding: .8rem 1rem; max-width: 46rem; }}
blockquote {{ margin: .5rem 0; padding: .6rem 1rem; background: var(--panel); border-radius: 6px; }}
blockquote p {{ margin: 0; }}
code {{ white-space: nowrap; }}
pre {{ background: var(--panel); padding: .5rem .8rem; overflow-x: auto; border-radius: 6px; }}

@media (max-width: 40rem) {{
  main {{ padding: 1rem .9rem 3rem; }}
  .cards, .answers {{ grid-template-columns: 1fr; }}
  .answers {{ gap: .1rem; }} .answers dd {{ margin-bottom: .6rem; }}
  .positions .whole {{ display: none; }} .positions .columns {{ display: grid; }}
  .facts {{ gap: .2rem .9rem; grid-template-columns: max-content 1fr; }}
  .judge thead {{ position: absolute; clip-path: inset(50%); }}
  .judge tr, .judge th, .judge td {{ display: block; min-width: 0; border: 0; padding: .1rem 0; }}
  .judge tr {{ border-bottom: 1px solid var(--line); padding: .5rem 0; }} .judge tbody th {{ font-weight: 600; }}
  .judge td:nth-child(3):not(:empty)::before {{ content: "expected: "; color: var(--soft); }}
}}
@page {{ size: A4; margin: 14mm 13mm; }}
@media print {{
  html {{ font-size: 9.5pt; }} body {{ font-size: 1rem; line-height: 1.4; }}
  main {{ max-width: none; padding: 0; }}
  h1 {{ font-size: 15pt; }} h2 {{ font-size: 11.5pt; margin-top: 6mm; }} .verdict h2 {{ font-size: 12.5pt; }}
  nav, .tools, details:not([open]), .foldable:not(:has(details[open])) {{ display: none; }}
  .wide {{ overflow: visible; }}
  table {{ font-size: 7.8pt; }} th, td {{ padding-top: .4mm; padding-bottom: .4mm; }}
  .grades {{ font-size: 7.2pt; }} .grades td, .grades th {{ padding-left: .55mm; padding-right: .55mm; }}
  .grades tbody th {{ white-space: nowrap; }}
  thead {{ display: table-header-group; }}
  h2, h3, h4, caption, thead, summary, tbody tr:nth-child(-n+3) {{ break-after: avoid; }}
  thead, tr, figure, pre, .card, .verdict, .warn, blockquote, .plot, li, dt, dd, .short {{ break-inside: avoid; }}
  p {{ orphans: 3; widows: 3; }}
  .columns {{ grid-template-columns: repeat(3, 1fr); }}
  .side {{ grid-template-columns: 1fr 1fr; }}
  /* Chromium repeats a table's head on each sheet, but not one that holds a button. */
  th button {{ display: contents; }} th button::after {{ content: none !important; }}
  * {{ print-color-adjust: exact; -webkit-print-color-adjust: exact; }}
}}
"""
