/* trace_dump_files.c - see trace_dump_files.h. */
#include "trace_dump_files.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/paths.h"
#include "../../personas/trace/trace_files.h"
#include "../system/output_file.h"

static const char DEFAULT_FOLDER[] = "activations";

int trace_dump_wanted(const options *opt, const engine *e, activation_set *out, error *err)
{
    for (size_t i = 0; i < opt->dumps.len; i++)
        if (activation_set_add(out, engine_config(e), opt->dumps.v[i], err))
            return error_prefix(err, "--dump: ");
    return 0;
}

static int write_one(const options *opt, console *con, const char *place, const trace_dump *d,
                     size_t which, error *err)
{
    char name[ACTIVATION_NAME];
    buf file = {0};
    char *path =
        string_format(err, "%s/%s.npy", place, activation_name(&d->wanted->v[which], name));
    int result = !path || trace_dump_put(d, which, &file, err) ||
                 output_file_put(con, path, opt->force, file.v, file.len, err);
    free(path);
    buf_release(&file);
    return result ? -1 : 0;
}

static int write_track(const options *opt, console *con, const char *place, const trace_dump *d,
                       error *err)
{
    int result = paths_make(place, strlen(place), err);
    for (size_t i = 0; i < d->wanted->len && !result; i++)
        result = write_one(opt, con, place, d, i, err);
    return result;
}

int trace_dump_files(const options *opt, console *con, engine *e, const roster *r,
                     const route_log *log, dtype kv, const activation_set *wanted, error *err)
{
    const char *into = opt->dump_to ? opt->dump_to : DEFAULT_FOLDER;
    size_t seats = (size_t)roster_seats(r);
    for (size_t i = 0; wanted->len && i < log->len; i++) {
        trace_dump d = {0};
        char *name = trace_track_name(log, i, err);
        char *place = name ? string_format(err, "%s/%s", into, name) : NULL;
        console_progress(con, "activations of %s", log->v[i].name);
        int result = !place ||
                     trace_dump_read(e, &log->v[i], roster_seat(r, (int)(i % seats))->program, kv,
                                     wanted, &d, err) ||
                     write_track(opt, con, place, &d, err);
        console_progress_end(con);
        trace_dump_release(&d);
        free(name);
        free(place);
        if (result)
            return -1;
    }
    if (wanted->len)
        console_note(con, "wrote %zu activations of each into %s", wanted->len, into);
    return 0;
}
