/* adapter_writer.h - what the writers of adapter.h share. */
#ifndef ENGINE_ADAPTER_WRITER_H
#define ENGINE_ADAPTER_WRITER_H

#include "../formats/safetensors_writer.h"
#include "adapter.h"

/* Fingerprint and provenance into __metadata__. */
void adapter_write_metadata(safetensors_writer *w, const adapter *a);

/* PEFT's folder: updates alone, which fit the model (adapter_write has looked). */
int adapter_write_peft(const adapter *a, const char *path, const model_config *model, error *err);

#endif
