const LIGHT = `--ink: #1b1b1f; --soft: #5c5c66; --paper: #fff; --rule: #dcdce2; --heat: #0060a8;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #b58900; --c5: #56b4e9; --c6: #7a3fa0; --c7: #666;`;

const LINES = `.axis text { fill: var(--soft); } .axis line { stroke: var(--soft); } .axis .grid { stroke: var(--rule); }
.series path { fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linejoin: round; }
.series circle { fill: currentColor; } .series .error { stroke: currentColor; stroke-width: 1.2; }
.dashed path { stroke-dasharray: 8 4; } .dotted path { stroke-dasharray: 2 3; }
.dashdot path { stroke-dasharray: 8 3 2 3; } .sparse path { stroke-dasharray: 2 7; }
.c0 { color: var(--c0); } .c1 { color: var(--c1); } .c2 { color: var(--c2); } .c3 { color: var(--c3); }
.c4 { color: var(--c4); } .c5 { color: var(--c5); } .c6 { color: var(--c6); } .c7 { color: var(--c7); }`;

/** The style of a chart that is a file of its own: always light, on its own paper. */
export const CHART_STYLE = `svg { ${LIGHT} font: 12px system-ui, sans-serif; } .paper { fill: var(--paper); }
.name { fill: var(--ink); } ${LINES}`;

/** The page's style. Series colours are Okabe and Ito's, which the colour-blind can tell apart, lighter in the dark. */
export const STYLE = `
:root { ${LIGHT} }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececf1; --soft: #a0a0ab; --paper: #16161a; --rule: #36363e; --heat: #6cc1ff;
    --c0: #4aa8e0; --c1: #ff8a3d; --c2: #2fd0a0; --c3: #eba0c8; --c4: #e6c229; --c5: #8fd0ff; --c6: #b98ae0; --c7: #aaa; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1200px; padding: 16px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5em; margin: 0; } h2 { font-size: 1.1em; margin: 0 0 .4em; }
header p, figcaption, .note { color: var(--soft); margin: .2em 0 .8em; } figcaption, .note { font-size: .9em; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 28px 32px; margin-top: 28px; }
figure { margin: 0; min-width: 0; }
svg { display: block; width: 100%; height: auto; font-size: 12px; }
@media (max-width: 560px) { svg { font-size: 14px; } }
${LINES}
.cells rect { fill: var(--heat); } .outline { fill: none; stroke: var(--rule); }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; list-style: none; margin: 4px 0; padding: 0; font-size: .9em; }
.legend svg { display: inline-block; width: 24px; height: 8px; vertical-align: middle; }
.scroll { overflow: auto; max-height: 420px; margin: .5em 0; }
table { border-collapse: collapse; font-size: .9em; } th, td { padding: 3px 12px 3px 0; text-align: left; vertical-align: top; overflow-wrap: normal; white-space: nowrap; }
th { border-bottom: 1px solid var(--rule); position: sticky; top: 0; background: var(--paper); }
td { border-bottom: 1px solid var(--rule); } .number { font-variant-numeric: tabular-nums; text-align: right; }
summary { cursor: pointer; }
`;
