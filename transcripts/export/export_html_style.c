/* export_html_style.c - the style sheet of the HTML export, and its hash for the page's policy.
 *
 * Colours are variables set once for light and once for dark; the eight personas' colours have at
 * least 4.5:1 against both the page and the cards in both. Columns appear where each gets 19rem
 * and stack where not. On paper, addresses are written out and nothing is folded away or coloured
 * for its own sake.
 */
#include <openssl/evp.h>
#include <string.h>

#include "export_html.h"

/* clang-format off */
static const char *const sheet[] = {
":root{--page:#f7f5f0;--card:#fffefb;--ink:#211f1c;--soft:#68625a;--line:#e3ddd2;--code:#f3f0e9;",
"--pc:#5d6570;--p0:#6f3cc3;--p1:#14724a;--p2:#b5362a;--p3:#1f5fc0;--p4:#87590a;--p5:#0d6c80;",
"--p6:#a82a7c;--p7:#566020;--merge:#8a5a12;--ink-rgb:33 31 28;",
"--serif:'Iowan Old Style','Palatino Linotype',Palatino,'Source Serif 4','Source Serif Pro',",
"'Noto Serif',Georgia,serif;",
"--sans:Inter,ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif;",
"--mono:ui-monospace,'SF Mono','JetBrains Mono','Cascadia Code',Menlo,Consolas,",
"'DejaVu Sans Mono',monospace}\n",
"@media (prefers-color-scheme:dark){:root{--page:#131416;--card:#1b1d20;--ink:#e9e6e0;",
"--soft:#a19c93;--line:#303337;--code:#24272b;--pc:#a8b0bb;--p0:#bb9cff;--p1:#63d39c;--p2:#ff9685;",
"--p3:#8ab8ff;--p4:#eab95c;--p5:#62cfe2;--p6:#ff92cf;--p7:#bccb72;--merge:#e8bd73;",
"--ink-rgb:233 230 224}}\n",
"*{box-sizing:border-box}\n",
"html{-webkit-text-size-adjust:100%;text-size-adjust:100%}\n",
"body{margin:0 auto;max-width:84rem;padding:0 clamp(1rem,3.5vw,3rem) 3rem;background:var(--page);",
"color:var(--ink);font:400 1rem/1.6 var(--sans);overflow-wrap:anywhere}\n",
".pc{--c:var(--pc)}.p0{--c:var(--p0)}.p1{--c:var(--p1)}.p2{--c:var(--p2)}.p3{--c:var(--p3)}",
".p4{--c:var(--p4)}.p5{--c:var(--p5)}.p6{--c:var(--p6)}.p7{--c:var(--p7)}\n",
/* the top line */
".top{display:flex;flex-wrap:wrap;align-items:baseline;gap:.35rem 1.5rem;",
"padding:1.4rem 0 1rem;border-bottom:1px solid var(--line)}\n",
".top p,.top ul{margin:0}\n",
".mark{font:600 1.05rem/1.4 var(--serif);letter-spacing:.02em}\n",
".cast{display:flex;flex-wrap:wrap;gap:.2rem 1rem;padding:0;list-style:none;font-size:.875rem}\n",
".cast li::before{content:'';display:inline-block;width:.6em;height:.6em;margin-right:.45em;",
"border-radius:50%;background:var(--c)}\n",
".meta{margin-left:auto!important;color:var(--soft);font-size:.8125rem}\n",
".damage{margin:1rem 0 0;padding:.7rem 1rem;border:1px solid var(--p2);border-radius:.5rem}\n",
/* a turn */
".turn{padding-top:2.6rem}\n",
".turn+.turn{margin-top:3rem;border-top:1px solid var(--line)}\n",
".turn>header{display:grid;grid-template-columns:auto 1fr;gap:0 .9rem;align-items:baseline}\n",
".n{font:400 1rem/1 var(--serif);color:var(--soft);font-variant-numeric:tabular-nums}\n",
".prompt{margin:0;max-width:58rem;font:500 clamp(1.45rem,1.1rem + 1.5vw,2.05rem)/1.25 var(--serif);",
"letter-spacing:-.01em;white-space:pre-wrap;text-wrap:pretty}\n",
".prompt.long{max-width:60rem;font:400 1rem/1.55 var(--serif);letter-spacing:0}\n",
".note,.figures,figcaption,caption{color:var(--soft);font-size:.8125rem;line-height:1.45}\n",
".note{margin:.6rem 0 0}\n",
".columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,19rem),1fr));",
"gap:1.1rem;margin-top:1.6rem}\n",
".columns:has(>:nth-child(4):last-child){", /* four stand two by two, not three and one */
"grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr))}\n",
".answer,.merge{display:flex;flex-direction:column;min-width:0;background:var(--card);",
"border:1px solid var(--line);border-radius:.7rem;padding:1.05rem 1.25rem .95rem}\n",
".answer{border-top:3px solid var(--c)}\n",
".answer.picked,.merge.picked{box-shadow:0 0 0 2px var(--c)}\n",
".merge{--c:var(--merge);margin-top:1.1rem;border-left:3px solid var(--c)}\n",
"h3{display:flex;flex-wrap:wrap;align-items:baseline;gap:.25rem .6rem;margin:0 0 .7rem;",
"font:600 1rem/1.3 var(--sans)}\n",
".who{color:var(--c)}\n",
".acts{padding:.05rem .5rem;border:1px solid var(--line);border-radius:1rem;color:var(--soft);",
"font:400 .75rem/1.5 var(--mono)}\n",
".pick{margin-left:auto;padding:.05rem .55rem;border-radius:1rem;background:var(--c);",
"color:var(--card);font:600 .75rem/1.5 var(--sans)}\n",
/* answers */
".text{flex:1}\n",
".text>*{max-width:44rem}\n",
".text>:first-child{margin-top:0}.text>:last-child{margin-bottom:0}\n",
".text p,.text ul,.text ol,.text pre,.text blockquote{margin:0 0 .8rem}\n",
".text ul,.text ol{padding-left:1.35rem}.text li ul,.text li ol{margin:.15rem 0}\n",
".text li{margin:.2rem 0}.text li::marker{color:var(--soft)}\n",
"h4,h5{margin:1.1rem 0 .4rem;font:600 1.0625rem/1.35 var(--sans)}h5{font-size:1rem}\n",
"blockquote{padding-left:.9rem;border-left:2px solid var(--line);color:var(--soft)}\n",
"blockquote+blockquote{margin-top:-.8rem!important}\n",
"hr{height:1px;margin:1.2rem 0;border:0;background:var(--line)}\n",
"code{font:.875em/1.5 var(--mono);background:var(--code);border-radius:.3rem;padding:.1em .3em}\n",
"pre{position:relative;overflow-x:auto;padding:.8rem .95rem;background:var(--code);",
"border-radius:.5rem;font-size:.9375rem;overflow-wrap:normal;tab-size:4}\n",
"pre code{display:block;padding:0;background:none;white-space:pre}\n",
".lang{display:block;margin:-.25rem 0 .35rem;color:var(--soft);font:400 .75rem/1.3 var(--mono)}\n",
"a{color:var(--p3);text-decoration-thickness:1px;text-underline-offset:.15em}\n",
".failed{color:var(--p2)}.none{color:var(--soft);font-style:italic}\n",
"details{margin:0 0 .8rem}summary{color:var(--soft);font-size:.8125rem;cursor:pointer}\n",
".thought>:not(summary),.version{color:var(--soft);font-size:.9375rem}\n",
".version{margin-top:.6rem;padding-left:.8rem;border-left:2px solid var(--line)}\n",
/* figures */
".answer>footer{margin-top:1rem;padding-top:.7rem;border-top:1px solid var(--line)}\n",
".merge>.text{flex:none}.merge>.text>*{max-width:52rem}.merge>footer{margin-top:.8rem}\n",
".figures{margin:0;font-variant-numeric:tabular-nums}\n",
".route{margin:.6rem 0 0}.route svg{display:block;width:100%;height:2.1rem}\n",
".all{fill:rgb(var(--ink-rgb)/.07)}.allowed{fill:var(--c);opacity:.28}.used{fill:var(--c)}\n",
"figcaption{margin-top:.4rem}figcaption b{color:var(--ink);font-weight:600}\n",
/* the merge */
".ballot{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:.6rem 2.6rem;",
"align-items:start;margin-top:1rem}\n",
".shares{margin:.1rem 0 0;padding:0;list-style:none;font-size:.875rem}\n",
".shares li{display:grid;grid-template-columns:minmax(5.5rem,auto) 1fr 2.4rem;gap:.7rem;",
"align-items:center;margin:.3rem 0}\n",
".shares svg{display:block;width:100%;height:.5rem;border-radius:.25rem}\n",
".num,.vote td{text-align:right;font-variant-numeric:tabular-nums}\n",
".scroll{overflow-x:auto}\n",
".vote{width:100%;overflow-wrap:normal;border-collapse:separate;border-spacing:2px;font-size:.8125rem;line-height:1.4}\n",
"caption{caption-side:bottom;padding-top:.5rem;text-align:left}\n",
".vote th{padding:.25rem .4rem;color:var(--c);font-weight:600;text-align:right}\n",
".vote th[scope=row]{text-align:left}\n",
".vote td{padding:.3rem .5rem;border-radius:.25rem;white-space:nowrap}\n",
".vote thead td{padding:0}\n",
".h0{background:rgb(var(--ink-rgb)/.03)}.h1{background:rgb(var(--ink-rgb)/.06)}",
".h2{background:rgb(var(--ink-rgb)/.09)}.h3{background:rgb(var(--ink-rgb)/.12)}",
".h4{background:rgb(var(--ink-rgb)/.16);font-weight:600}\n",
".own{color:var(--soft);background:repeating-linear-gradient(135deg,transparent 0 4px,",
"rgb(var(--ink-rgb)/.06) 4px 5px);text-decoration:line-through}\n",
".end{margin-top:3.5rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);",
"font-size:.8125rem}.end p{margin:.2rem 0}\n",
"@media (max-width:52rem){.ballot{grid-template-columns:minmax(0,1fr)}.meta{margin-left:0!important}",
".turn{padding-top:1.9rem}.answer,.merge{padding:.95rem 1rem .85rem}}\n",
"@media print{:root{--page:#fff;--card:#fff;--ink:#000;--soft:#555;--line:#ccc;--code:#f4f4f4}",
"html{font-size:11px}body{max-width:none;padding:0}.turn{padding-top:1.4rem}",
".merge,figure,pre{break-inside:avoid}h2,h3{break-after:avoid}pre code{white-space:pre-wrap}",
".columns{grid-template-columns:repeat(auto-fit,minmax(13rem,1fr))}",
"a[href]::after{content:' <' attr(href) '>';font-size:.85em}details:not([open]){display:none}",
"@page{margin:15mm}}\n",
};
/* clang-format on */

enum { PARTS = sizeof sheet / sizeof *sheet };

void html_style(html *p)
{
    for (size_t i = 0; i < PARTS; i++)
        text_put(&p->w, sheet[i]);
}

void html_style_hash(html *p)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool done = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1;
    for (size_t i = 0; done && i < PARTS; i++)
        done = EVP_DigestUpdate(digest, sheet[i], strlen(sheet[i])) == 1;
    done = done && EVP_DigestFinal_ex(digest, hash, &len) == 1;
    EVP_MD_CTX_free(digest);
    if (!done) {
        p->w.failed = true;
        (void)error_set(p->w.err, ERROR_RUN, "the SHA-256 of the crypto library failed");
        return;
    }
    unsigned char base64[2 * EVP_MAX_MD_SIZE];
    (void)EVP_EncodeBlock(base64, hash, (int)len);
    text_put(&p->w, (const char *)base64);
}
