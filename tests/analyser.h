/* analyser.h - what clang-tidy is told before every file (Makefile, lint): it sees one file at a
 * time, and would otherwise believe that a function which sets an error may return 0.
 */
#ifndef TESTS_ANALYSER_H
#define TESTS_ANALYSER_H

#include "../kernels/error.h"

#define error_set(...)    (error_set(__VA_ARGS__), -1)
#define error_memory(...) (error_memory(__VA_ARGS__), -1)
#define error_prefix(...) (error_prefix(__VA_ARGS__), -1)

#endif
