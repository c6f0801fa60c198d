/* data.h - what a rendering reads of jinja_data; private to this folder. */
#ifndef ENGINE_JINJA_DATA_H
#define ENGINE_JINJA_DATA_H

#include "jinja.h"
#include "value.h"

/* Handles are pointers to values in the arena of the data. */
struct jinja_value {
    value v;
};

/* The root; NULL with the error that was remembered while the data was built. */
const dict *data_variables(const jinja_data *d, error *err);

#endif
