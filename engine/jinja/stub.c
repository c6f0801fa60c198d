/* stub.c - until the interpreter is there, every template is refused. */
#include "jinja.h"

#include <string.h>

int jinja_parse(const char *text, size_t len, jinja_template **out, error *err)
{
    (void)text, (void)len;
    *out = NULL;
    return error_set(err, ERROR_LOAD, "chat template: no interpreter is built in");
}
void jinja_close(jinja_template *t)
{
    (void)t;
}
bool jinja_reads(const jinja_template *t, const char *name)
{
    (void)t, (void)name;
    return false;
}
jinja_data *jinja_data_open(void)
{
    return NULL;
}
void jinja_data_close(jinja_data *d)
{
    (void)d;
}
jinja_value *jinja_root(jinja_data *d)
{
    (void)d;
    return NULL;
}
jinja_value *jinja_text(jinja_data *d, const char *text, size_t len, uint32_t origin)
{
    (void)d, (void)text, (void)len, (void)origin;
    return NULL;
}
jinja_value *jinja_int(jinja_data *d, int64_t number, uint32_t origin)
{
    (void)d, (void)number, (void)origin;
    return NULL;
}
jinja_value *jinja_float(jinja_data *d, double number, uint32_t origin)
{
    (void)d, (void)number, (void)origin;
    return NULL;
}
jinja_value *jinja_bool(jinja_data *d, bool is)
{
    (void)d, (void)is;
    return NULL;
}
jinja_value *jinja_none(jinja_data *d)
{
    (void)d;
    return NULL;
}
jinja_value *jinja_list(jinja_data *d)
{
    (void)d;
    return NULL;
}
jinja_value *jinja_dict(jinja_data *d)
{
    (void)d;
    return NULL;
}
jinja_value *jinja_json(jinja_data *d, const char *where, const char *text, size_t len,
                        uint32_t origin, error *err)
{
    (void)d, (void)text, (void)len, (void)origin;
    error_set(err, ERROR_LOAD, "%s: no interpreter is built in", where);
    return NULL;
}
void jinja_push(jinja_data *d, jinja_value *list, jinja_value *element)
{
    (void)d, (void)list, (void)element;
}
void jinja_put(jinja_data *d, jinja_value *dict, const char *key, jinja_value *value)
{
    (void)d, (void)dict, (void)key, (void)value;
}
void jinja_put_text(jinja_data *d, jinja_value *dict, jinja_value *key, jinja_value *value)
{
    (void)d, (void)dict, (void)key, (void)value;
}
void jinja_set(jinja_data *d, const char *name, jinja_value *value)
{
    (void)d, (void)name, (void)value;
}
int jinja_render(const jinja_template *t, const jinja_data *d, const struct tm *now,
                 const jinja_limits *limits, jinja_output *out, error *err)
{
    (void)t, (void)d, (void)now, (void)limits;
    memset(out, 0, sizeof *out);
    return error_set(err, ERROR_LOAD, "chat template: no interpreter is built in");
}
void jinja_output_release(jinja_output *o)
{
    memset(o, 0, sizeof *o);
}
