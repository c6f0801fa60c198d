/* report_page.h - what the pages of reports (eval, compare) have in common: their look, and how text gets in.
 *
 * The rules of the look are string literals, so that a report's style sheet is these and its own, in
 * one array (html_page.h). Charts are SVG in units of their own, drawn by classes, so that the light and
 * the dark page are one.
 */
#ifndef CLI_REPORT_PAGE_H
#define CLI_REPORT_PAGE_H

#include "../../engine/base/text_writer.h"

/* Colours by name: page, card, ink, soft, line. */
/* clang-format off */
#define REPORT_LOOK \
    ":root{--page:#f7f5f0;--card:#fffefb;--ink:#211f1c;--soft:#68625a;--line:#e3ddd2}\n" \
    "@media (prefers-color-scheme:dark){:root{--page:#131416;--card:#1b1d20;--ink:#e9e6e0;--soft:#a19c93;" \
    "--line:#303337}}\n" \
    "*{box-sizing:border-box}\n" \
    "body{margin:0 auto;max-width:66rem;padding:1.5rem;background:var(--page);color:var(--ink);" \
    "font:400 1rem/1.55 system-ui,sans-serif;overflow-wrap:anywhere}\n" \
    "h1{font-size:1.4rem;margin:0 0 .2rem}h2{font-size:1.05rem;margin:2rem 0 .5rem}\n" \
    "p,li{color:var(--soft);margin:.2rem 0}\n" \
    "figure,.scroll{margin:0;background:var(--card);border:1px solid var(--line);border-radius:.6rem;" \
    "padding:1rem;overflow-x:auto}\n" \
    "svg{display:block;width:100%}.interval{stroke:var(--ink);stroke-width:1.5}\n" \
    "table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums;width:100%}\n" \
    "th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}\n" \
    "th:first-child,td:first-child{text-align:left}th{color:var(--soft);font-weight:600}\n"
/* clang-format on */

/* Text from a file or a user, made clean and escaped. */
void report_put_foreign(text_writer *w, const char *text);

#endif
