/* version.h - the program's version, as --version, manual pages and transcripts have it. */
#ifndef ENGINE_VERSION_H
#define ENGINE_VERSION_H

#define CONSILIUM_VERSION "0.1.0"

#endif
