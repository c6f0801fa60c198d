/* export_json.c - the conversation as one JSON document. See export.h.
 *
 * {"consilium":1,"transcript":{..},"model":{..},"turns":[{..,"answers":[..],"merges":[..]}]}: every
 * version of every answer and merge, undone turns too, with the figures that they were recorded
 * with. Names are those of `ask --format json`, so that what reads one reads the other.
 */
#include "../turn_json.h"
#include "export.h"

static void put_head(json_writer *e, const history *h)
{
    json_put_int(e, "consilium", 1);
    json_begin_object(e, "transcript");
    json_put_text(e, "id", h->id);
    json_put_text(e, "title", h->title);
    json_put_text(e, "created", h->created);
    json_put_text(e, "version", h->version);
    json_put_text(e, "isa", h->isa);
    json_put_count(e, "records", h->records);
    json_put_count(e, "damaged_lines", h->damaged);
    json_put_count(e, "torn_bytes", h->torn);
    json_end(e);
    records_put_model(e, "model", &h->model);
}

static void put_turn(json_writer *e, const history *h, const struct turn *t)
{
    json_begin_object(e, NULL);
    turn_json_prompt(e, TURN_EXPORT, t);
    json_put_value(e, "setting", history_setting(h, t->setting));
    json_begin_array(e, "answers");
    for (int i = 0; i < t->answer_count; i++) {
        json_begin_object(e, NULL);
        turn_json_answer(e, TURN_EXPORT, &t->answers[i]);
        json_end(e);
    }
    json_end(e);
    json_begin_array(e, "merges");
    for (int i = 0; i < t->merge_count; i++) {
        json_begin_object(e, NULL);
        turn_json_merge(e, TURN_EXPORT, &t->merges[i]);
        json_end(e);
    }
    json_end(e);
    json_end(e);
}

int export_json(const history *h, buf *out, error *err)
{
    json_writer e = {.out = out, .err = err};
    json_begin_object(&e, NULL);
    put_head(&e, h);
    json_begin_array(&e, "turns");
    for (int i = 0; i < h->turn_count; i++)
        put_turn(&e, h, &h->turns[i]);
    json_end(&e);
    json_end(&e);
    return json_writer_finish(&e) || buf_text(out, "\n", err) ? -1 : 0;
}
