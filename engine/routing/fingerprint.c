/* fingerprint.c - see fingerprint.h. SHA-256 is libcrypto's; here is only the rounding and the
 * byte order, which must be the same on every machine for the digits to be a name. */
#include "fingerprint.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../kernels/quant.h"

struct fingerprint {
    EVP_MD_CTX *digest;
};

enum { CHUNK = 1024 }; /* weights converted at a time */

static int refused(error *err)
{
    return error_set(err, ERROR_RUN, "the SHA-256 of the crypto library failed");
}

fingerprint *fingerprint_open(error *err)
{
    fingerprint *f = calloc(1, sizeof *f);
    if (!f) {
        error_memory(err, "the model's fingerprint");
        return NULL;
    }
    f->digest = EVP_MD_CTX_new();
    if (!f->digest || EVP_DigestInit_ex(f->digest, EVP_sha256(), NULL) != 1) {
        refused(err);
        fingerprint_close(f);
        return NULL;
    }
    return f;
}

void fingerprint_close(fingerprint *f)
{
    if (!f)
        return;
    EVP_MD_CTX_free(f->digest);
    free(f);
}

int fingerprint_add_f32(fingerprint *f, const float *v, size_t n, error *err)
{
    uint8_t bytes[2 * CHUNK];
    for (size_t done = 0; done < n;) {
        size_t part = n - done < CHUNK ? n - done : CHUNK;
        for (size_t i = 0; i < part; i++) {
            uint16_t bits = float_to_bfloat(v[done + i]);
            bytes[2 * i] = (uint8_t)(bits & 0xFF);
            bytes[2 * i + 1] = (uint8_t)(bits >> 8);
        }
        if (EVP_DigestUpdate(f->digest, bytes, 2 * part) != 1)
            return refused(err);
        done += part;
    }
    return 0;
}

int fingerprint_finish(fingerprint *f, char hex[FINGERPRINT_TEXT], error *err)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    if (EVP_DigestFinal_ex(f->digest, bytes, &len) != 1 || len != 32)
        return refused(err);
    for (size_t i = 0; i < len; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}
