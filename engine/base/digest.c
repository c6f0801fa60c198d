/* digest.c - see digest.h. The hash is libcrypto's. */
#include "digest.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>

enum { BYTES = DIGEST_TEXT / 2, CHUNK = 1 << 14 };

static bool add_file(EVP_MD_CTX *c, const char *path)
{
    unsigned char bytes[CHUNK];
    FILE *f = fopen(path, "rbe");
    bool good = f != NULL;
    for (size_t n; good && (n = fread(bytes, 1, sizeof bytes, f)) > 0;)
        good = EVP_DigestUpdate(c, bytes, n) == 1;
    good = good && !ferror(f);
    if (f)
        (void)fclose(f);
    return good;
}

void digest_files(const char *const *paths, int n, char out[DIGEST_TEXT])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool good = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1;
    for (int i = 0; i < n && good; i++)
        good = add_file(c, paths[i]);
    good = good && EVP_DigestFinal_ex(c, digest, &len) == 1 && len == BYTES;
    for (unsigned i = 0; good && i < len; i++)
        (void)snprintf(out + 2 * (size_t)i, 3, "%02x", digest[i]);
    out[good ? DIGEST_TEXT - 1 : 0] = '\0';
    EVP_MD_CTX_free(c);
}
