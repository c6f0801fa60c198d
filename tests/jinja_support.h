/* jinja_support.h - templates rendered on one day, for tests. */
#ifndef TESTS_JINJA_SUPPORT_H
#define TESTS_JINJA_SUPPORT_H

#include "../engine/text/jinja/jinja.h"

/* Parses and renders; 0 or -1 with *err. It is 2026-07-26. */
int jinja_support_render(const char *source, size_t len, const jinja_data *d,
                         const jinja_limits *limits, jinja_output *out, error *err);

#endif
