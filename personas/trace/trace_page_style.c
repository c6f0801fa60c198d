/* trace_page_style.c - the style sheet of a page of routes.
 *
 * Colours are variables set once for light and once for dark; they are those of exported conversations,
 * so that a persona looks the same in both. What was denied is one colour everywhere, and is told by its
 * shape too.
 */
#include "trace_page_parts.h"

/* clang-format off */
static const char *const sheet[] = {
":root{--page:#f7f5f0;--card:#fffefb;--ink:#211f1c;--soft:#68625a;--line:#e3ddd2;--code:#f3f0e9;",
"--pc:#5d6570;--p0:#6f3cc3;--p1:#14724a;--p2:#b5362a;--p3:#1f5fc0;--p4:#87590a;--p5:#0d6c80;",
"--p6:#a82a7c;--p7:#566020;--deny:#c2410c;",
"--serif:'Iowan Old Style','Palatino Linotype',Palatino,'Noto Serif',Georgia,serif;",
"--sans:Inter,ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif;",
"--mono:ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace}\n",
"@media (prefers-color-scheme:dark){:root{--page:#131416;--card:#1b1d20;--ink:#e9e6e0;",
"--soft:#a19c93;--line:#303337;--code:#24272b;--pc:#a8b0bb;--p0:#bb9cff;--p1:#63d39c;--p2:#ff9685;",
"--p3:#8ab8ff;--p4:#eab95c;--p5:#62cfe2;--p6:#ff92cf;--p7:#bccb72;--deny:#ff8a3d}}\n",
"*{box-sizing:border-box}[hidden]{display:none!important}\n",
"body{margin:0 auto;max-width:84rem;padding:0 clamp(1rem,3.5vw,3rem) 3rem;background:var(--page);",
"color:var(--ink);font:400 1rem/1.55 var(--sans);overflow-wrap:anywhere}\n",
".pc{--c:var(--pc)}.p0{--c:var(--p0)}.p1{--c:var(--p1)}.p2{--c:var(--p2)}.p3{--c:var(--p3)}",
".p4{--c:var(--p4)}.p5{--c:var(--p5)}.p6{--c:var(--p6)}.p7{--c:var(--p7)}\n",
".top{display:flex;flex-wrap:wrap;align-items:baseline;gap:.35rem 1.5rem;padding:1.4rem 0 1rem;",
"border-bottom:1px solid var(--line)}.top p{margin:0}\n",
".mark{font:600 1.05rem/1.4 var(--serif)}.meta{margin-left:auto!important;color:var(--soft);",
"font-size:.8125rem}\n",
"h1{margin:2.2rem 0 1.4rem;max-width:58rem;font:500 clamp(1.45rem,1.1rem + 1.5vw,2.05rem)/1.25 ",
"var(--serif);white-space:pre-wrap}h2{margin:2.6rem 0 .8rem;font:600 1.125rem/1.3 var(--sans)}\n",
".note,figcaption,.of{color:var(--soft);font-size:.8125rem;line-height:1.45}\n",
".who{color:var(--c)}.scroll{overflow-x:auto}\n",
"table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}\n",
"th,td{padding:.25rem .9rem .25rem 0;border-bottom:1px solid var(--line);text-align:right;",
"white-space:nowrap}th{font-weight:600}thead th{color:var(--soft);font-weight:400}\n",
"th:first-child{text-align:left}\n",
/* the replay */
".bar{position:sticky;top:0;z-index:1;display:flex;flex-wrap:wrap;gap:.5rem;align-items:center;",
"padding:.6rem 0;background:var(--page)}\n",
".bar input{flex:1 1 12rem;min-width:6rem;accent-color:var(--p3)}.bar output{min-width:9rem;",
"color:var(--soft);font-size:.875rem;font-variant-numeric:tabular-nums}\n",
"button,select{font:inherit;font-size:.875rem;padding:.25rem .7rem;border:1px solid var(--line);",
"border-radius:.4rem;background:var(--card);color:var(--ink);cursor:pointer;max-width:100%}\n",
"button:hover{border-color:var(--soft)}:focus-visible{outline:2px solid var(--p3);",
"outline-offset:2px}\n",
".lanes{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,17rem),1fr));gap:1rem}\n",
".lane{min-width:0;background:var(--card);border:1px solid var(--line);border-top:3px solid var(--c);",
"border-radius:.7rem;padding:.9rem 1rem}\n",
".lane h3{margin:0 0 .5rem;font:600 1rem/1.3 var(--sans);color:var(--c)}\n",
".lane canvas{display:block;width:100%;margin:.2rem 0 .5rem;cursor:crosshair;touch-action:manipulation}\n",
".lane .fig{min-height:2.6em;margin:0 0 .5rem;color:var(--soft);font-size:.8125rem;line-height:1.3;",
"font-variant-numeric:tabular-nums}\n",
".said{max-height:14rem;overflow:auto;font-size:.9375rem;line-height:1.6;white-space:pre-wrap}\n",
".said span{border-radius:.2rem;cursor:pointer}.said span:hover{background:var(--code)}\n",
".said .past{color:var(--ink)}.said .ahead{color:var(--soft)}\n",
".said .this{background:var(--c);color:var(--card)}\n",
".key span{display:inline-block;width:.8em;height:.8em;margin:0 .15em 0 .7em;vertical-align:-.05em;",
"border-radius:2px}.k1{background:var(--p3)}.k2{background:var(--p3);box-shadow:inset 0 0 0 2px var(--ink)}",
".k3{box-shadow:inset 0 0 0 2px var(--deny)}.k4{background:var(--p3);opacity:.25}\n",
/* the masks */
"figure{margin:0 0 1rem}.chart{display:block;width:100%;height:8rem;cursor:crosshair;",
"touch-action:manipulation}\n",
".rule{stroke:var(--line);fill:none;vector-effect:non-scaling-stroke}.curve{fill:none;stroke:var(--c);",
"stroke-width:2;vector-effect:non-scaling-stroke}.now{stroke:var(--ink);stroke-dasharray:3 3;",
"vector-effect:non-scaling-stroke}\n",
".bite{max-height:22rem;overflow:auto}.bite table{width:100%;font-size:.8125rem}",
".bite thead th{position:sticky;top:0;background:var(--page);text-align:left;color:var(--c,inherit)}\n",
".bite td{text-align:left}.no{color:var(--deny);text-decoration:line-through}.none{color:var(--soft)}\n",
/* where answers part */
".parts{padding:0;list-style:none;display:grid;gap:1rem;",
"grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr))}\n",
".parts li{background:var(--card);border:1px solid var(--line);border-radius:.7rem;padding:.9rem 1rem}\n",
".parts p{margin:0 0 .6rem;font-size:.9375rem}.bars{display:block;width:100%;height:3.6rem;",
"background:var(--code);border-radius:.3rem}.called{fill:var(--soft)}.wanted{fill:var(--deny)}\n",
"code{font:.875em/1.5 var(--mono);background:var(--code);border-radius:.3rem;padding:.1em .3em;",
"white-space:pre-wrap}\n",
/* the atlas */
".atlas{display:block;width:100%;min-width:24rem;max-height:40rem;cursor:crosshair}.atlas rect{fill:var(--c)}",
".atlas .ground{fill:var(--code)}.atlas .chosen{fill:none;stroke:var(--ink);stroke-width:2}\n",
"#by{margin-bottom:.8rem}#leads{display:grid;gap:.4rem;margin:.6rem 0 1.2rem;font-size:.875rem}#leads>div{display:flex;flex-wrap:wrap;gap:.35rem;",
"align-items:center}#leads b{min-width:9rem}#leads button{padding:.05rem .45rem;font-variant-numeric:tabular-nums}",
"#leads button span{color:var(--soft)}\n",
"#expert{display:grid;gap:.4rem 2rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));",
"align-items:start}\n",
"#expert p{margin:0}#expert .calls{display:grid;grid-template-columns:minmax(6rem,max-content) 1fr 3.4rem;",
"gap:.2rem .7rem;align-items:center;font-size:.875rem}\n",
"#expert .calls i{display:block;height:.55rem;border-radius:.2rem;background:var(--c);justify-self:start}\n",
"#expert .calls b{text-align:right;font-weight:400;font-variant-numeric:tabular-nums}\n",
"#expert .words code{display:inline-block;margin:0 .3rem .3rem 0}\n",
"@media (max-width:40rem){.meta{margin-left:0!important}h1{margin-top:1.4rem}",
".bar output{flex-basis:100%}}\n",
"@media print{.bar{display:none!important}.said,.bite{max-height:none}}\n",
};
/* clang-format on */

html_sheet trace_page_style(void)
{
    return (html_sheet){sheet, sizeof sheet / sizeof *sheet};
}
