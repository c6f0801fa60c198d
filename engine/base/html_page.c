/* html_page.c - see html_page.h. */
#include "html_page.h"

#include <openssl/evp.h>
#include <string.h>

void html_put_text(text_writer *w, const char *clean, size_t n)
{
    size_t from = 0;
    for (size_t i = 0; i < n && !w->failed; i++) {
        const char *entity = clean[i] == '&'    ? "&amp;"
                             : clean[i] == '<'  ? "&lt;"
                             : clean[i] == '>'  ? "&gt;"
                             : clean[i] == '"'  ? "&quot;"
                             : clean[i] == '\'' ? "&#39;"
                                                : NULL;
        if (!entity)
            continue;
        text_put_bytes(w, clean + from, i - from);
        text_put(w, entity);
        from = i + 1;
    }
    text_put_bytes(w, clean + from, n - from);
}

static void put_hash(text_writer *w, html_sheet sheet)
{
    unsigned char hash[EVP_MAX_MD_SIZE], base64[2 * EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool done = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1;
    for (size_t i = 0; done && i < sheet.len; i++)
        done = EVP_DigestUpdate(digest, sheet.v[i], strlen(sheet.v[i])) == 1;
    done = done && EVP_DigestFinal_ex(digest, hash, &len) == 1;
    EVP_MD_CTX_free(digest);
    if (!done) {
        w->failed = true;
        (void)error_set(w->err, ERROR_RUN, "the SHA-256 of the crypto library failed");
        return;
    }
    (void)EVP_EncodeBlock(base64, hash, (int)len);
    text_put(w, (const char *)base64);
}

void html_begin_head(text_writer *w, html_sheet sheet)
{
    html_begin_head_with(w, sheet, (html_sheet){0});
}

void html_begin_head_with(text_writer *w, html_sheet sheet, html_sheet script)
{
    text_put(w, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                "style-src 'sha256-");
    put_hash(w, sheet);
    if (script.len) {
        text_put(w, "'; script-src 'sha256-");
        put_hash(w, script);
    }
    text_put(w, "'; base-uri 'none'; form-action 'none'\">\n"
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                "<meta name=\"color-scheme\" content=\"light dark\">\n"
                "<meta name=\"referrer\" content=\"no-referrer\">\n"
                "<meta name=\"robots\" content=\"noindex\">\n");
}

void html_begin_body(text_writer *w, html_sheet sheet)
{
    text_put(w, "<style>");
    for (size_t i = 0; i < sheet.len; i++)
        text_put(w, sheet.v[i]);
    text_put(w, "</style>\n</head>\n<body>\n");
}

void html_put_script(text_writer *w, html_sheet script)
{
    text_put(w, "<script>");
    for (size_t i = 0; i < script.len; i++)
        text_put(w, script.v[i]);
    text_put(w, "</script>\n");
}
