/* transcript_lookup.c - see transcript_lookup.h. */
#include "transcript_lookup.h"

#include <stdlib.h>
#include <time.h>

#include "../../engine/base/folder.h"
#include "../../transcripts/transcript.h"

void note_damage(const history *h, console *con)
{
    if (h->damaged)
        console_note(
            con, "%s: %zu damaged line%s (the first is line %zu); what belongs there is missing.",
            h->id, h->damaged, h->damaged == 1 ? "" : "s", h->first_damaged);
    if (h->torn)
        console_note(con, "%s: the last line is unfinished; its %zu bytes were not read.", h->id,
                     h->torn);
}

history *transcript_lookup(const char *prefix, console *con, error *err)
{
    char *place = NULL, *id = NULL, *path = NULL;
    history *h = NULL;
    if (transcript_folder(&place, err) == 0 && transcript_find(place, prefix, &id, err) == 0 &&
        (path = string_format(err, "%s/%s.jsonl", place, id)) != NULL)
        h = history_load(path, err);
    if (h)
        note_damage(h, con);
    free(place);
    free(id);
    free(path);
    return h;
}

search *search_lookup(console *con, error *err)
{
    char *place = NULL;
    search_report report;
    search *s = NULL;
    if (transcript_folder(&place, err) == 0)
        s = search_open(place, NULL, &report, err);
    if (s && report.kept.code != ERROR_NONE)
        console_note(con, "The index of transcripts is not kept: %s", report.kept.text);
    free(place);
    return s;
}

static char *format_time(char *out, double seconds, bool local, const char *format)
{
    time_t when = (time_t)seconds;
    struct tm parts;
    out[0] = '\0';
    if (seconds > 0 && seconds < 1e11 && (local ? localtime_r : gmtime_r)(&when, &parts) &&
        !strftime(out, TIME_TEXT, format, &parts))
        out[0] = '\0';
    return out;
}

char *local_time(char *out, double seconds)
{
    return format_time(out, seconds, true, "%Y-%m-%d %H:%M");
}

char *utc_time(char *out, double seconds)
{
    return format_time(out, seconds, false, "%Y-%m-%dT%H:%M:%SZ");
}
