/* fuzz_state.c - any bytes as a state of training, with the checksum that they should have: what is read has
 * figures that are possible, and everything is in its room. */
#include <math.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../personas/train/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_figures(const train_state *s)
{
    if (s->step < 0 || s->step > s->steps || s->count == 0 || !(s->control >= 0))
        abort();
}

/* All of it, into blocks of just the size that was told. */
static void read_whole(const char *path, const train_state *told)
{
    train_state s = *told;
    error err = {0};
    float *blocks = calloc(4 * s.count, sizeof *blocks);
    s.check_room = 4;
    s.checks = calloc((size_t)s.check_room, sizeof *s.checks);
    s.losses = calloc((size_t)s.steps + 1, sizeof *s.losses);
    if (!blocks || !s.checks || !s.losses)
        abort();
    s.values = blocks;
    s.mean = blocks + s.count;
    s.square = blocks + 2 * s.count;
    s.best = blocks + 3 * s.count;
    if (train_state_read(path, &s, &err) == 0)
        check_figures(&s);
    else if (!err.text[0])
        abort();
    for (int i = 0; i < s.check_count; i++)
        if (!isfinite(s.checks[i].loss) || s.checks[i].step < 0)
            abort();
    free(s.losses);
    free(s.checks);
    free(blocks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    char path[40];
    train_state s = {0};
    error err = {0};
    int fd = memfd_create("state", MFD_CLOEXEC);
    if (fd < 0 || EVP_Digest(data, size, digest, &len, EVP_sha256(), NULL) != 1 ||
        write(fd, data, size) != (ssize_t)size || write(fd, digest, len) != (ssize_t)len)
        abort();
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (train_state_peek(path, &s, &err) == 0) {
        check_figures(&s);
        if (s.steps < 1 << 16)
            read_whole(path, &s);
    } else if (!err.text[0]) {
        abort();
    }
    (void)close(fd);
    return 0;
}
