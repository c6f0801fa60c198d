/* state.c - see state.h. */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../engine/base/atomic_file.h"
#include "../../engine/base/folder.h"
#include "../../engine/base/json.h"
#include "../../engine/base/json_writer.h"

static const char MAGIC[8] = {'C', 'O', 'N', 'S', 'T', 'R', 'N', '1'};
enum { DIGEST = 32, JSON_MOST = 64 << 20 };

/* ---- one run at a time --------------------------------------------------------------------------- */

/* Whether fd is still what the name stands for: who holds it removes it before he lets go. */
static bool is_named(int fd, const char *path)
{
    struct stat opened, named;
    return fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_ino == named.st_ino &&
           opened.st_dev == named.st_dev;
}

int train_state_lock(const char *path, error *err)
{
    char *lock = string_format(err, "%s.lock", path);
    int fd = -1;
    while (lock) {
        fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) {
            (void)error_set(err, ERROR_RUN, "%s: cannot be made: %s", lock, strerror(errno));
            break;
        }
        bool taken = flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
        if (!taken && is_named(fd, lock))
            break;
        (void)close(fd);
        fd = -1;
        if (taken) {
            (void)error_set(err, ERROR_RUN, "%s: another process trains this persona on this model",
                            lock);
            break;
        }
    }
    free(lock);
    return fd;
}

void train_state_unlock(const char *path, int fd)
{
    static const char *const ends[] = {".part", ".lock"}; /* the lock last: it guards the other */
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char *beside = string_format(NULL, "%s%s", path, ends[i]);
        if (beside)
            (void)unlink(beside);
        free(beside);
    }
    (void)close(fd);
}

/* ---- writing ----------------------------------------------------------------------------------- */

typedef struct writer {
    atomic_file *file;
    EVP_MD_CTX *hash;
    error *err;
} writer;

static int put(writer *w, const void *bytes, size_t n)
{
    if (EVP_DigestUpdate(w->hash, bytes, n) != 1)
        return error_set(w->err, ERROR_RUN, "the checksum cannot be computed");
    return atomic_file_write(w->file, bytes, n, w->err);
}

static void put_hash(json_writer *j, const char *key, uint64_t v)
{
    char text[17];
    (void)snprintf(text, sizeof text, "%016" PRIx64, v);
    json_put_text(j, key, text);
}

static void put_check(json_writer *j, const char *key, const train_check *c)
{
    json_begin_array(j, key);
    json_put_int(j, NULL, c->step);
    json_put_number(j, NULL, c->loss);
    json_put_number(j, NULL, c->voice);
    json_put_int(j, NULL, c->answers);
    json_put_int(j, NULL, c->ended);
    json_put_int(j, NULL, c->looped);
    json_end(j);
}

static int figures(const train_state *s, buf *out, error *err)
{
    json_writer j = {.out = out, .err = err};
    json_begin_object(&j, NULL);
    json_put_int(&j, "train", 1);
    json_put_text(&j, "model", s->model);
    put_hash(&j, "samples", s->samples);
    put_hash(&j, "options", s->options);
    json_put_int(&j, "step", s->step);
    json_put_int(&j, "steps", s->steps);
    json_put_number(&j, "seconds", s->seconds);
    json_put_number(&j, "control", s->control);
    json_put_count(&j, "count", s->count);
    json_put_bool(&j, "saved", s->saved);
    if (s->has_best)
        put_check(&j, "best", &s->chosen);
    json_begin_array(&j, "checks");
    for (int i = 0; i < s->check_count; i++)
        put_check(&j, NULL, &s->checks[i]);
    json_end(&j);
    json_begin_array(&j, "losses");
    for (int i = 0; i < s->step; i++)
        json_put_float(&j, NULL, s->losses[i]);
    json_end(&j);
    json_end(&j);
    return json_writer_finish(&j);
}

static int write_all(writer *w, const train_state *s, const buf *text)
{
    unsigned char length[8], digest[DIGEST];
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)text->len >> (8 * i));
    size_t n = s->count * sizeof(float);
    if (put(w, MAGIC, sizeof MAGIC) || put(w, length, sizeof length) ||
        put(w, text->v, text->len) || put(w, s->values, n) || put(w, s->mean, n) ||
        put(w, s->square, n) || (s->has_best && put(w, s->best, n)))
        return -1;
    if (EVP_DigestFinal_ex(w->hash, digest, NULL) != 1)
        return error_set(w->err, ERROR_RUN, "the checksum cannot be computed");
    return atomic_file_write(w->file, digest, sizeof digest, w->err) ||
                   atomic_file_commit(w->file, w->err)
               ? -1
               : 0;
}

int train_state_write(const char *path, const train_state *s, error *err)
{
    buf text = {0};
    writer w = {.hash = EVP_MD_CTX_new(), .err = err};
    int result = figures(s, &text, err);
    if (!result && (!w.hash || EVP_DigestInit_ex(w.hash, EVP_sha256(), NULL) != 1))
        result = error_memory(err, "a checksum");
    if (!result) {
        w.file = atomic_file_open(path, err);
        result = w.file ? write_all(&w, s, &text) : -1;
    }
    atomic_file_close(w.file);
    EVP_MD_CTX_free(w.hash);
    buf_release(&text);
    return result;
}

/* ---- reading ----------------------------------------------------------------------------------- */

typedef struct reader {
    const char *path;
    int fd;
    uint64_t left; /* bytes before the digest that were not read yet */
    EVP_MD_CTX *hash;
    error *err;
} reader;

static int broken(const reader *r)
{
    return error_set(r->err, ERROR_LOAD,
                     "%s: is no state of training, or was cut short or changed; remove it to begin "
                     "anew",
                     r->path);
}

static int read_exactly(reader *r, void *out, size_t n)
{
    char *at = out;
    while (n) {
        ssize_t got = read(r->fd, at, n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(r->err, ERROR_RUN, "%s: cannot be read: %s", r->path, strerror(errno));
        if (got == 0)
            return broken(r);
        at += got;
        n -= (size_t)got;
    }
    return 0;
}

static int get(reader *r, void *out, size_t n)
{
    if (n > r->left)
        return broken(r);
    r->left -= n;
    if (read_exactly(r, out, n))
        return -1;
    return EVP_DigestUpdate(r->hash, out, n) == 1 ? 0 : error_memory(r->err, "a checksum");
}

static int get_check(const json *v, train_check *c)
{
    static const bool counts[] = {true, false, false, true, true, true};
    double n[6];
    int i = 0;
    const json *at = json_first(v);
    for (; at && i < 6; at = json_next(at), i++) {
        n[i] = json_type(at) == JSON_NUMBER ? json_number(at) : NAN;
        if (!isfinite(n[i]) || (counts[i] && !(n[i] >= 0 && n[i] <= INT_MAX)))
            return -1;
    }
    if (i != 6 || at)
        return -1;
    *c = (train_check){(int)n[0], n[1], n[2], (int)n[3], (int)n[4], (int)n[5]};
    return 0;
}

static uint64_t get_hash(const json *root, const char *key)
{
    const char *text = json_text_at(root, key);
    return text ? strtoull(text, NULL, 16) : 0;
}

static int get_figures(reader *r, const json *root, train_state *s)
{
    int64_t step = 0, steps = 0, count = 0, version = 0;
    const char *model = json_text_at(root, "model");
    error why;
    if (json_get_int(root, "train", 1, 1, &version, &why) != 1 || !model ||
        strlen(model) + 1 > sizeof s->model ||
        json_get_int(root, "steps", 1, INT32_MAX, &steps, &why) != 1 ||
        json_get_int(root, "step", 0, steps, &step, &why) != 1 ||
        json_get_int(root, "count", 1, INT64_C(1) << 40, &count, &why) != 1 ||
        json_get_number(root, "seconds", 0, 1e12, &s->seconds, &why) != 1 ||
        json_get_number(root, "control", 0, 1e12, &s->control, &why) != 1)
        return broken(r);
    strcpy(s->model, model);
    s->samples = get_hash(root, "samples");
    s->options = get_hash(root, "options");
    s->step = (int)step;
    s->steps = (int)steps;
    s->count = (size_t)count;
    const json *best = json_member(root, "best");
    s->has_best = best != NULL;
    s->saved = json_true(json_member(root, "saved"));
    return best && get_check(best, &s->chosen) ? broken(r) : 0;
}

static int get_history(reader *r, const json *root, train_state *s)
{
    int n = 0;
    s->check_count = 0;
    const json *at = json_first(json_member(root, "checks"));
    for (; at && s->check_count < s->check_room; at = json_next(at))
        if (get_check(at, &s->checks[s->check_count++]))
            return broken(r);
    at = at ? at : json_first(json_member(root, "losses"));
    for (; at && n < s->step && json_type(at) == JSON_NUMBER; at = json_next(at))
        s->losses[n++] = (float)json_number(at);
    return at || n != s->step ? broken(r) : 0;
}

static int get_json(reader *r, train_state *s, bool whole)
{
    char magic[sizeof MAGIC];
    unsigned char length[8];
    uint64_t n = 0;
    size_t room = s->count, steps = (size_t)s->steps;
    if (get(r, magic, sizeof magic) || get(r, length, sizeof length))
        return -1;
    for (int i = 0; i < 8; i++)
        n |= (uint64_t)length[i] << (8 * i);
    if (memcmp(magic, MAGIC, sizeof MAGIC) != 0 || n > JSON_MOST || n > r->left)
        return broken(r);
    char *text = malloc(n + 1);
    int result = text ? get(r, text, n) : error_memory(r->err, "a state of training");
    json_document *d = result ? NULL : json_parse(r->path, text, n, r->err);
    if (!result)
        result = d ? get_figures(r, json_root(d), s) : -1;
    if (!result && r->left != s->count * sizeof(float) * (s->has_best ? 4 : 3))
        result = broken(r);
    if (!result && whole && (s->count != room || (size_t)s->steps > steps))
        result = broken(r);
    if (!result && whole)
        result = get_history(r, json_root(d), s);
    json_close(d);
    free(text);
    return result;
}

/* What is not wanted is read for its checksum. */
static int pass_over(reader *r)
{
    char chunk[1 << 16];
    while (r->left) {
        size_t n = r->left < sizeof chunk ? (size_t)r->left : sizeof chunk;
        if (get(r, chunk, n))
            return -1;
    }
    return 0;
}

static int check_digest(reader *r)
{
    unsigned char stored[DIGEST], digest[DIGEST];
    if (read_exactly(r, stored, sizeof stored) || EVP_DigestFinal_ex(r->hash, digest, NULL) != 1)
        return -1;
    return memcmp(stored, digest, DIGEST) == 0 ? 0 : broken(r);
}

static int read_from(reader *r, train_state *s, bool whole)
{
    struct stat st;
    if (fstat(r->fd, &st) || !S_ISREG(st.st_mode) || st.st_size < DIGEST)
        return broken(r);
    r->left = (uint64_t)st.st_size - DIGEST;
    if (get_json(r, s, whole))
        return -1;
    size_t n = s->count * sizeof(float);
    if (whole && (get(r, s->values, n) || get(r, s->mean, n) || get(r, s->square, n) ||
                  (s->has_best && get(r, s->best, n))))
        return -1;
    return pass_over(r) || check_digest(r) ? -1 : 0;
}

static int read_file(const char *path, train_state *s, bool whole, error *err)
{
    reader r = {.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC), .err = err};
    if (r.fd < 0)
        return error_set(err, ERROR_LOAD, "%s: %s", path, strerror(errno));
    r.hash = EVP_MD_CTX_new();
    int result = r.hash && EVP_DigestInit_ex(r.hash, EVP_sha256(), NULL) == 1
                     ? read_from(&r, s, whole)
                     : error_memory(err, "a checksum");
    EVP_MD_CTX_free(r.hash);
    (void)close(r.fd);
    return result;
}

int train_state_peek(const char *path, train_state *s, error *err)
{
    return read_file(path, s, false, err);
}

int train_state_read(const char *path, train_state *s, error *err)
{
    return read_file(path, s, true, err);
}
