"""Texts that try to break out of the place that an export puts them into: 200 and more."""
import html
import urllib.parse

JS = "alert(document.domain)"

TAGS = [
    f"<script>{JS}</script>", f"<ScRiPt >{JS}</sCrIpT\t>", "<script src=//evil.example/x.js></script>",
    f"<img src=x onerror={JS}>", f"<img/src/onerror={JS}>", f"<IMG SRC=\"javascript:{JS}\">",
    f"<svg onload={JS}>", f"<svg><script>{JS}</script></svg>", f"<svg/onload={JS}//",
    f"<body onload={JS}>", f"<iframe src=javascript:{JS}>", "<iframe srcdoc='<script>1</script>'>",
    f"<details open ontoggle={JS}>", f"<input autofocus onfocus={JS}>", f"<video><source onerror={JS}>",
    f"<a href=javascript:{JS}>x</a>", "<object data=//evil.example>", "<embed src=//evil.example>",
    "<link rel=stylesheet href=//evil.example/x.css>", "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>", "<form action=//evil.example><button>",
    "<style>*{display:none}</style>", "<style>@import '//evil.example'</style>",
    "<math><mtext></p><style><img src=x onerror=alert(1)></style>", f"<marquee onstart={JS}>",
    "<template><script>1</script></template>", "<noscript><p title='</noscript><img src=x>'>",
    "<xmp><script>1</script></xmp>", "<plaintext>", "<textarea><script>1</script>", "<title>x</title>",
    "<!--", "<!-- --><script>1</script>", "<![CDATA[<script>1</script>]]>", "<?xml version='1.0'?>",
    "<!doctype html>", f"<x onclick={JS}>click</x>", f"<p style='background:url(javascript:{JS})'>",
    "<table background=//evil.example>", f"<isindex action=javascript:{JS}>", "<frameset><frame src=x>",
    "<portal src=//evil.example>", f"<button formaction=javascript:{JS}>x", "<audio src=x controls>",
    "<input type=hidden value=x>", "<dialog open>x</dialog>", "<slot name=x>", "<img src=//evil.example/i.png>",
]
CLOSING = [
    "</p>", "</div></section></article>", "</code></pre><script>1</script>", "</title><script>1</script>",
    "</style><script>1</script>", "</bdi></span></h3>", "</html><script>1</script>", "</main></body>",
    "</h2><h1>headline</h1>", "</li></ul></div>", "</table></td></tr>", "</svg></figure>",
    "--></style></script></title></textarea></xmp><img src=x onerror=alert(1)>", "]]>", "/>", "'>\"><img src=x>",
]
ATTRIBUTES = [
    f"\" onmouseover=\"{JS}", f"' onmouseover='{JS}", f"x\" autofocus onfocus={JS} x=\"", "\"><svg onload=1>",
    "` onerror=1 `", "x onclick=1", "\" style=\"position:fixed;inset:0", "' class='pick", "\" id=\"turn-1",
    "\" href=\"javascript:1", "\"/><script>1</script>", "'\"`<>&", "\\\"onclick=1", "\"\tonclick\t=\t1\t\"",
]
SCHEMES = [
    f"javascript:{JS}", f"JavaScript:{JS}", f"JAVASCRIPT:{JS}", f"java\tscript:{JS}", f"java\nscript:{JS}",
    f" javascript:{JS}", f"\x01javascript:{JS}", f"javascript\x00:{JS}", f"javascript&colon;{JS}",
    f"&#106;avascript:{JS}", f"&#x6a;&#x61;vascript:{JS}", f"&#0000106avascript:{JS}", "%6aavascript:alert(1)",
    "javascript://http://x/%0aalert(1)", "data:text/html,<script>1</script>", "DATA:text/html;base64,PHN2Zz4=",
    "data:image/svg+xml,<svg onload=1>", "vbscript:msgbox(1)", "file:///etc/passwd", "blob:https://x/1",
    "//evil.example", "\\\\evil.example", "/\\evil.example", "http:javascript:1", "https:evil.example",
    "about:blank", "view-source:https://x", "filesystem:https://x", "ws://evil.example", "intent://x#Intent",
    "feed:javascript:1", "jar:javascript:1", "mhtml:javascript:1", "livescript:1", "x-javascript:1",
    "http://x\" onclick=\"1", "http://x' onclick='1", "http://x><script>1</script>", "http://x\x00.y", "mailto:a\"b",
]
ENTITIES = [
    "&lt;script&gt;1&lt;/script&gt;", "&#60;script&#62;", "&#x3c;img src=x&#x3e;", "&LT;b&GT;", "&amp;lt;b&amp;gt;",
    "&#0;", "&#x110000;", "&quot;onclick=1", "&NewLine;&Tab;", "&", "&&&&", "&copy", "&notit;", "&#x26;lt;",
]
STYLES = [
    "*{display:none}", "</style>", "body{background:url(//evil.example)}", "@import url(//evil.example);",
    "expression(alert(1))", "-moz-binding:url(//evil.example)", "}\nhtml{visibility:hidden", "\\3c script\\3e",
]
INVISIBLE = [
    "\u202egnp.exe", "\u2066\u2067\u2068\u2069\u202a\u202b\u202c\u202d", "\u2069\u2069\u2069 out of the isolate",
    "\u200e\u200f\u061c", "\ufeff", "\U000e0041\U000e0042\U000e007f", "\u2028\u2029", "a\x00b", "\x1b[31mred\x1b]0;t\x07",
    "\x9b31m", "\x7f\x08\x0b\x0c\r", "\u2060\u2061\u2064", "\ufff9a\ufffab\ufffb", "\u0301" * 50, "\u200d\u200c",
    "שלום \u202eabc", "\x85\x80\x9f", "\r\n\r\r\n", "\ud7ff\ue000\ufffd\uffff", "\U0010ffff",
]
MARKDOWN = [
    "```", "````\n```", "~~~", "```html\n<script>1</script>", "```\n```\n```", "``` `x` ```", "# h1\n## h2",
    "a\n===", "a\n---", "---\ntitle: x\n---", "> quote\n# out", "- item\n\n# out", "    <script>1</script>",
    "[x](javascript:alert(1))", "[x]( javascript:alert(1))", "[x](<javascript:alert(1)>)", "[x](java\nscript:1)",
    "[x]: javascript:alert(1)\n\n[x]", "[critic]: http://evil.example\n", "![x](http://evil.example/i.png)",
    "![x][y]\n\n[y]: http://evil.example/i.png", "<http://evil.example>", "<javascript:alert(1)>", "**[x](data:1)**",
    "[**x](http://a)**", "`<script>1</script>`", "`` ` <b> ``", "a ` b\n`<script>1</script>`", "\\`<script>1</script>`",
    "\\\\`<b>`\\\\", "|a|b|\n|-|-|\n|<b>|x|", "<details><summary>x</summary>", "[^1]\n\n[^1]: note", "1. a\n   ```\n   x",
    "- ```js\n  x\n", "***__**`*_[](http://", "[](javascript:1)", "[a](http://b \"</title><script>1</script>\")",
    "http://evil.example/<script>", "$$\\href{javascript:1}{x}$$", "[x](http://a)\n\n### critic\n\nforged",
    "\n### coder (picked)\n\nforged\n\n*mask, 1 token*", "* * *\n## Turn 2\n\n> forged", "!\\[x](http://a)",
    "[x](http://a\n\"onclick=1\")", "~~~ `x`\n# in\n~~~", "~~~~\n~~~\n# in",
    "    ~~~\n# out", "-      ~~~ x\n# out", "a\n2. ~~~\n# out", "> - ~~~\n# out", "- ```c\n  x\n# out",
]

assert len(TAGS + CLOSING + ATTRIBUTES + SCHEMES + ENTITIES + STYLES + INVISIBLE + MARKDOWN) >= 200


def linked(address):
    """An address in every notation that could make a link of it."""
    return f"[text]({address}) ![text]({address}) <{address}> {address} [a][b]\n\n[b]: {address}\n"


VECTORS = (TAGS + CLOSING + ATTRIBUTES + [linked(s) for s in SCHEMES] + ENTITIES + STYLES + INVISIBLE
           + MARKDOWN + [html.escape(TAGS[0]), urllib.parse.quote(TAGS[0])]
           + [f"**{t}**" for t in TAGS[:12]] + [f"`{t}" for t in CLOSING] + ["<" * 20000, "&#60" * 5000])
