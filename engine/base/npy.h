/* npy.h - arrays as NumPy reads them: files of the format NPY 1.0.
 *
 * Magic and version, the length of a header, the header (a Python literal that names type, order and
 * shape), then the values in C order. The header is padded with spaces so that the values begin at a
 * multiple of 64 bytes. An archive (zip.h) of such files is what numpy.load() calls an npz.
 *
 * Source: numpy.lib.format, "Format Version 1.0".
 */
#ifndef ENGINE_NPY_H
#define ENGINE_NPY_H

#include <stddef.h>

#include "buf.h"

typedef enum npy_type { NPY_INT32, NPY_FLOAT32 } npy_type;

enum { NPY_DIMENSIONS = 4 };

/* Appends a whole file: values [shape[0], shape[1], ...], 0 to NPY_DIMENSIONS of them (none is one
 * value), little-endian as they lie in memory. */
int npy_put(buf *out, npy_type type, const size_t *shape, int dimensions, const void *values,
            error *err);
#endif
