/* file_check.c - see file_check.h. Magic numbers are those of each format's specification, or of
 * file(1).
 *
 * Two questions, by bytes and by name. The first bytes are compared with a table of beginnings,
 * each with the sentence that says what the file is and what to do; text that begins like none
 * of them may still be a web page or a server's answer. A name tells of a download that has not
 * finished, by the suffixes that the usual tools give to a part.
 */
#include "file_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "folder.h"
#include "printable.h"
#include "utf8.h"

enum { LOOK = 512 };

#define UNPACK   "unpack it and name what is in it"
#define OTHER    "look for the same model as GGUF or safetensors"
#define OLD_GGML "a GGML file, a format that GGUF replaced in 2023; fetch the model as GGUF"
#define PICKLE   "a PyTorch checkpoint (pickle), which can run code and is never read; " OTHER
#define AGAIN    "download it again"

typedef struct magic {
    const char *bytes;
    size_t len, at;
    file_wanted kind; /* no mistake when this was wanted */
    const char *words;
} magic;

#define NEVER ((file_wanted)-1)
#define MAGIC(bytes, at, words)                                                                    \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, at, NEVER, words                                                 \
    }

static const magic magics[] = {
    {"GGUF", 4, 0, WANTED_GGUF, "a GGUF file; to run it as a model, name it with -m"},
    MAGIC("lmgg", 0, OLD_GGML),
    MAGIC("fmgg", 0, OLD_GGML),
    MAGIC("tjgg", 0, OLD_GGML),
    MAGIC("algg", 0, "a LoRA adapter in the old GGML format; --adapter takes one in GGUF"),
    MAGIC("PK\3\4", 0, "a zip archive; " UNPACK),
    MAGIC("\x80\2", 0, PICKLE),
    MAGIC("\x80\3", 0, PICKLE),
    MAGIC("\x80\4", 0, PICKLE),
    MAGIC("\x89HDF", 0, "an HDF5 file (Keras, TensorFlow); " OTHER),
    MAGIC("\x93NUMPY", 0, "a NumPy array; " OTHER),
    MAGIC("\x1f\x8b", 0, "a gzip archive; " UNPACK),
    MAGIC("BZh", 0, "a bzip2 archive; " UNPACK),
    MAGIC("\xFD"
          "7zXZ",
          0, "an xz archive; " UNPACK),
    MAGIC("\x28\xB5\x2F\xFD", 0, "a zstd archive; " UNPACK),
    MAGIC("7z\xBC\xAF", 0, "a 7z archive; " UNPACK),
    MAGIC("Rar!", 0, "a RAR archive; " UNPACK),
    MAGIC("ustar", 257, "a tar archive; " UNPACK),
};

static int say(const char *where, const char *words, error *err)
{
    return error_set(err, ERROR_LOAD, "%s: offset 0: this is %s", where, words);
}

/* ---- by bytes --------------------------------------------------------------------------------- */

static bool begins(const uint8_t *data, size_t size, const char *word)
{
    size_t n = strlen(word);
    return size >= n && strncasecmp((const char *)data, word, n) == 0;
}

static bool holds(const uint8_t *data, size_t size, const char *word)
{
    return memmem(data, size < LOOK ? size : LOOK, word, strlen(word)) != NULL;
}

/* "version https://git-lfs...\noid sha256:...\nsize 4976698672\n" */
static int refuse_pointer(const char *where, const uint8_t *data, size_t size, error *err)
{
    char text[LOOK + 1];
    size_t n = size < LOOK ? size : LOOK;
    memcpy(text, data, n);
    text[n] = '\0';
    const char *line = strstr(text, "\nsize ");
    unsigned long long bytes = line ? strtoull(line + 6, NULL, 10) : 0;
    return error_set(err, ERROR_LOAD,
                     "%s: offset 0: this is a Git LFS pointer: a note of %zu bytes in the place of "
                     "the file, which has %llu. Fetch the file itself: `git lfs pull` in its "
                     "folder, or download it from where the model is kept",
                     where, size, bytes);
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t skip_space(const uint8_t *data, size_t size)
{
    size_t at = size >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    while (at < size && is_space(data[at]))
        at++;
    return at;
}

static bool is_text(const uint8_t *data, size_t size)
{
    size_t n = size < LOOK ? size : LOOK, bad;
    for (size_t i = 0; i < n; i++)
        if ((data[i] < 0x20 && !is_space(data[i])) || data[i] == 0x7F)
            return false;
    return n > 0 && (size > LOOK || utf8_check((const char *)data, n, &bad));
}

static bool all_zero(const uint8_t *data, size_t size)
{
    size_t n = size < LOOK ? size : LOOK;
    for (size_t i = 0; i < n; i++)
        if (data[i])
            return false;
    return n >= 64;
}

static int refuse_text(const char *where, const uint8_t *data, size_t size, file_wanted wanted,
                       error *err)
{
    size_t at = skip_space(data, size);
    if (begins(data + at, size - at, "<!doctype html") || begins(data + at, size - at, "<html") ||
        begins(data + at, size - at, "<?xml") || begins(data + at, size - at, "<head"))
        return say(
            where,
            "a web page in the place of the file: a page that asks to sign in, or tells of an "
            "error; " AGAIN ", signed in or from the file's own link",
            err);
    if (wanted == WANTED_JSON || !is_text(data, size))
        return 0;
    return error_set(err, ERROR_LOAD,
                     "%s: offset 0: this is text (\"%s\"), and no weights: perhaps what a server "
                     "answered instead of the file; " AGAIN,
                     where, printable_of(data + at, size - at < 60 ? size - at : 60).text);
}

static int refuse_safetensors(const char *where, const uint8_t *data, size_t size, error *err)
{
    uint64_t header = 0;
    if (size < 9 || data[8] != '{')
        return 0;
    memcpy(&header, data, sizeof header);
    if (header < 2 || header > 100000000)
        return 0;
    return say(where, "a safetensors file; name the folder that holds it and its config.json", err);
}

int file_check_kind(const char *where, const uint8_t *data, size_t size, file_wanted wanted,
                    error *err)
{
    if (size == 0)
        return error_set(err, ERROR_LOAD,
                         "%s: offset 0: the file is empty: its download never began, or the disk "
                         "was full; " AGAIN,
                         where);
    if (begins(data, size, "version https://git-lfs") || begins(data, size, "version http://git-m"))
        return refuse_pointer(where, data, size, err);
    if (begins(data, size, "PK\3\4") &&
        (holds(data, size, "data.pkl") || holds(data, size, "/data")))
        return say(where, PICKLE, err);
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        const magic *m = &magics[i];
        if (m->kind != wanted && size >= m->at + m->len &&
            memcmp(data + m->at, m->bytes, m->len) == 0)
            return say(where, m->words, err);
    }
    if (wanted != WANTED_SAFETENSORS && refuse_safetensors(where, data, size, err))
        return -1;
    if (wanted != WANTED_JSON && all_zero(data, size))
        return say(where,
                   "a file that begins with zeros: its room was reserved and its download has not "
                   "come so far; let it finish, or " AGAIN,
                   err);
    return refuse_text(where, data, size, wanted, err);
}

/* ---- by name ---------------------------------------------------------------------------------- */

static const char *const endings[] = {".part",       ".partial",  ".incomplete",
                                      ".crdownload", ".download", ".!qB",
                                      ".tmp",        "-partial",  ".opdownload"};

static bool ends_with(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);
    return n > m && strcasecmp(path + n - m, end) == 0;
}

static bool beside(const char *path, const char *ending)
{
    char *name = string_format(NULL, "%s%s", path, ending);
    bool there = name && access(name, F_OK) == 0;
    free(name);
    return there;
}

const char *file_partial_download(const char *path)
{
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (beside(path, endings[i]))
            return endings[i];
    return NULL;
}

int file_check_download(const char *path, error *err)
{
    if (beside(path, ".aria2"))
        return error_set(err, ERROR_LOAD,
                         "%s: its download has not finished: %s.aria2 lies beside it; let aria2 "
                         "finish (`aria2c -c`)",
                         path, path);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (ends_with(path, endings[i]))
            return error_set(err, ERROR_LOAD,
                             "%s: its name says that its download has not finished (%s); let it "
                             "finish, or rename it if it is whole",
                             path, endings[i]);
    return 0;
}

int file_explain_truncated_text(const char *path, error *err)
{
    char tail[64];
    size_t n = 0;
    FILE *f = fopen(path, "rbe");
    int first = ' ';
    while (f && is_space((uint8_t)first))
        first = fgetc(f);
    bool json = first == '{' || first == '['; /* what is another kind of file was told as that */
    if (json && fseek(f, 0, SEEK_END) == 0 &&
        fseek(f, -(ftell(f) < 64 ? ftell(f) : 64), SEEK_CUR) == 0)
        n = fread(tail, 1, sizeof tail, f);
    if (f)
        (void)fclose(f);
    while (n && is_space((uint8_t)tail[n - 1]))
        n--;
    if (!n || !err || err->code != ERROR_LOAD || tail[n - 1] == '}' || tail[n - 1] == ']')
        return -1;
    size_t used = strlen(err->text);
    (void)snprintf(err->text + used, sizeof err->text - used,
                   "; the file does not end as JSON does: its download probably stopped");
    return -1;
}

int file_refuse_truncated(const char *where, uint64_t offset, const char *tensor, uint64_t size,
                          uint64_t needed, error *err)
{
    char at[PRINTABLE_SIZE + 16] = "";
    if (tensor)
        (void)snprintf(at, sizeof at, " in tensor \"%s\"", printable_text(tensor).text);
    if (needed > (uint64_t)1 << 50) /* no model has a petabyte: the header is wrong */
        return error_set(err, ERROR_LOAD,
                         "%s: offset %llu: the file ends%s: its header asks for %llu bytes, it has "
                         "%llu",
                         where, (unsigned long long)offset, at, (unsigned long long)needed,
                         (unsigned long long)size);
    return error_set(
        err, ERROR_LOAD,
        "%s: offset %llu: the file is cut short%s: it has %llu bytes of %llu, %llu are "
        "missing. The download probably stopped; let it finish, or " AGAIN,
        where, (unsigned long long)offset, at, (unsigned long long)size, (unsigned long long)needed,
        (unsigned long long)(needed - size));
}
