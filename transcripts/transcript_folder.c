/* transcript_folder.c - the folder of transcripts: its place, its names, finding one.
 *
 * A transcript's name is its id and ".jsonl"; an id is letters, digits, "_" and "-", so it can
 * be no path. Listing reads the folder's names and the times of its files, never their
 * contents. Finding one takes a whole id, or a beginning that only one has; several are told,
 * the newest first. Folders are made with mode 0700, each flushed into the one that it lies in
 * before anything is put there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../engine/base/array.h"
#include "../engine/base/folder.h"
#include "../engine/base/paths.h"
#include "transcript_state.h"

static const char END[] = ".jsonl";

enum { SHORTEST = 4, NAMES_TOLD = 5 };

bool transcript_name_ok(const char *id)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t n = strlen(id);
    return n >= 1 && n <= 64 && strspn(id, letters) == n;
}

int transcript_folder(char **path, error *err)
{
    if (paths_own(PATHS_DATA, "transcripts", path, err))
        return -1;
    return *path ? 0 : paths_missing(PATHS_DATA, "no place for transcripts: ", err);
}

int transcript_open_folder(transcript *t, bool make, error *err)
{
    if (make && paths_make(t->folder, strlen(t->folder), err))
        return -1;
    t->directory = open(t->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->directory < 0)
        return error_set(err, ERROR_RUN, "cannot open %s: %s", t->folder, strerror(errno));
    return 0;
}

char *transcript_file(const char *place, const char *id, error *err)
{
    return string_format(err, "%s/%s%s", place, id, END);
}

bool transcript_exists(const char *place, const char *id)
{
    struct stat s;
    char *path = transcript_name_ok(id) ? transcript_file(place, id, NULL) : NULL;
    bool there = path && lstat(path, &s) == 0;
    free(path);
    return there;
}

/* ---- listing ----------------------------------------------------------------------------------- */

static int newest_first(const void *a, const void *b)
{
    const transcript_entry *x = a, *y = b;
    if (x->changed != y->changed)
        return x->changed > y->changed ? -1 : 1;
    return strcmp(x->id, y->id);
}

static int add_entry(transcript_list *l, const char *place, const char *name, double changed,
                     error *err)
{
    transcript_entry *v = array_room(l->v, l->len, &l->cap, sizeof *v, "the transcripts", err);
    if (!v)
        return -1;
    l->v = v;
    transcript_entry *e = &l->v[l->len];
    *e = (transcript_entry){.id = strndup(name, strlen(name) - strlen(END)), .changed = changed};
    if (!e->id)
        return error_memory(err, "the transcripts");
    l->len++;
    return (e->path = string_format(err, "%s/%s", place, name)) ? 0 : -1;
}

/* ID.jsonl with an id that can be one. */
static bool is_transcript(const char *name)
{
    char id[65];
    size_t n = strlen(name), end = strlen(END);
    if (n <= end || n - end >= sizeof id || strcmp(name + n - end, END) != 0)
        return false;
    memcpy(id, name, n - end);
    id[n - end] = '\0';
    return transcript_name_ok(id);
}

int transcript_list_all(const char *place, transcript_list *out, error *err)
{
    *out = (transcript_list){0};
    DIR *d = opendir(place);
    if (!d)
        return errno == ENOENT
                   ? 0
                   : error_set(err, ERROR_RUN, "cannot read %s: %s", place, strerror(errno));
    int result = 0;
    for (const struct dirent *at; !result && (at = readdir(d));) {
        struct stat s;
        if (is_transcript(at->d_name) &&
            fstatat(dirfd(d), at->d_name, &s, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(s.st_mode))
            result = add_entry(out, place, at->d_name,
                               (double)s.st_mtim.tv_sec + (double)s.st_mtim.tv_nsec / 1e9, err);
    }
    (void)closedir(d);
    if (result)
        transcript_list_release(out);
    else if (out->len)
        qsort(out->v, out->len, sizeof *out->v, newest_first);
    return result;
}

void transcript_list_release(transcript_list *l)
{
    for (size_t i = 0; i < l->len; i++) {
        free(l->v[i].id);
        free(l->v[i].path);
    }
    free(l->v);
    *l = (transcript_list){0};
}

/* ---- finding ----------------------------------------------------------------------------------- */

static size_t common(const char *a, const char *b)
{
    size_t n = 0;
    while (a[n] && a[n] == b[n])
        n++;
    return n;
}

static int none_begins(const transcript_list *l, const char *prefix, error *err)
{
    size_t best = 0;
    if (l->len == 0)
        return error_set(err, ERROR_USAGE, "no session is saved yet");
    for (size_t i = 1; i < l->len; i++)
        if (common(l->v[i].id, prefix) > common(l->v[best].id, prefix))
            best = i;
    return error_set(err, ERROR_USAGE, "no session begins with \"%.80s\"; the %s is %s", prefix,
                     common(l->v[best].id, prefix) ? "nearest" : "latest", l->v[best].id);
}

static int several_begin(const transcript_list *l, const char *prefix, size_t count, error *err)
{
    buf names = {0};
    size_t told = 0;
    for (size_t i = 0; i < l->len && told < NAMES_TOLD; i++)
        if (common(l->v[i].id, prefix) == strlen(prefix) &&
            buf_format(&names, NULL, "%s%s", told++ ? ", " : "", l->v[i].id))
            break;
    int result = error_set(err, ERROR_USAGE, "%zu sessions begin with \"%.80s\": %s%s", count,
                           prefix, names.v ? names.v : "", count > told ? ", ..." : "");
    buf_release(&names);
    return result;
}

int transcript_find(const char *place, const char *prefix, char **id, error *err)
{
    transcript_list l;
    const transcript_entry *found = NULL;
    size_t count = 0;
    *id = NULL;
    if (transcript_list_all(place, &l, err))
        return -1;
    for (size_t i = 0; i < l.len; i++) {
        if (!*prefix || common(l.v[i].id, prefix) < strlen(prefix))
            continue;
        bool whole = strcmp(l.v[i].id, prefix) == 0;
        found = &l.v[i];
        count = whole ? 1 : count + 1;
        if (whole)
            break;
    }
    int result = 0;
    if (count == 1)
        result = (*id = strdup(found->id)) ? 0 : error_memory(err, "a name");
    else
        result = count ? several_begin(&l, prefix, count, err) : none_begins(&l, prefix, err);
    transcript_list_release(&l);
    return result;
}

size_t transcript_prefix_length(const char *place, const char *id)
{
    transcript_list l;
    size_t needed = SHORTEST, all = strlen(id);
    if (transcript_list_all(place, &l, NULL))
        return all;
    for (size_t i = 0; i < l.len; i++) {
        size_t same = common(l.v[i].id, id);
        bool other = strcmp(l.v[i].id, id) != 0;
        if (other && same + 1 > needed)
            needed = same + 1;
    }
    transcript_list_release(&l);
    return needed < all ? needed : all;
}
