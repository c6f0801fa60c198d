/* config_hf_off.c - what a config.json must not switch on; see config_hf.h. */
#include <string.h>

#include "../base/printable.h"
#include "config_hf.h"

int hf_off(const json *v, const char *key, error *err)
{
    json_kind kind = json_type(v);
    if (kind == JSON_NULL || (kind == JSON_BOOL && !json_true(v)) ||
        (kind == JSON_NUMBER && json_number(v) == 0) ||
        ((kind == JSON_OBJECT || kind == JSON_ARRAY) && !json_first(v)))
        return 0;
    if (kind == JSON_NUMBER)
        return error_set(err, ERROR_LOAD, "%s is %.9g, which is not implemented", key,
                         json_number(v));
    return error_set(err, ERROR_LOAD, "%s is set, which is not implemented", key);
}

/* What the tools call themselves in quant_method, and what people call them. */
static const char *quantisation_name(const char *method)
{
    static const struct {
        const char *method, *name;
    } known[] = {{"fp8", "FP8"},
                 {"fbgemm_fp8", "FP8 (FBGEMM)"},
                 {"finegrained_fp8", "FP8"},
                 {"awq", "AWQ"},
                 {"gptq", "GPTQ"},
                 {"bitsandbytes", "bitsandbytes"},
                 {"compressed-tensors", "compressed-tensors"},
                 {"mxfp4", "MXFP4"},
                 {"modelopt", "ModelOpt (FP8 or NVFP4)"},
                 {"auto-round", "AutoRound"},
                 {"intel/auto-round", "AutoRound"},
                 {"hqq", "HQQ"},
                 {"aqlm", "AQLM"},
                 {"vptq", "VPTQ"},
                 {"quanto", "Quanto"},
                 {"eetq", "EETQ (int8)"},
                 {"torchao", "torchao"},
                 {"exl2", "EXL2"},
                 {"exl3", "EXL3"},
                 {"bitnet", "BitNet"},
                 {"spqr", "SpQR"},
                 {"higgs", "HIGGS"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(method, known[i].method) == 0)
            return known[i].name;
    return NULL;
}

int hf_quantisation(const json *config, error *err)
{
    static const char *const keys[] = {"quantization_config", "quantization", "compression_config"};
    const json *v = NULL;
    const char *key = NULL, *method = "";
    for (size_t i = 0; i < sizeof keys / sizeof *keys && !key; i++) {
        v = json_member(config, keys[i]);
        if (v && hf_off(v, keys[i], NULL))
            key = keys[i];
    }
    if (!key)
        return 0;
    bool object = json_type(v) == JSON_OBJECT;
    if (object)
        (void)json_get_string(v, "quant_method", &method, NULL);
    if (!*method && object && (json_member(v, "load_in_4bit") || json_member(v, "load_in_8bit")))
        method = "bitsandbytes";
    const char *name = strcmp(key, keys[1]) == 0 && !*method ? "MLX"
                       : strcmp(key, keys[2]) == 0           ? "compressed-tensors"
                                                             : quantisation_name(method);
    return error_set(err, ERROR_LOAD,
                     "the weights are quantised with %s (%s), which is not read; use the original "
                     "checkpoint (BF16) or a GGUF file of this model (Q8_0 is closest to 8 bits, "
                     "Q4_K_M to 4)",
                     name      ? name
                     : *method ? printable_text(method).text
                               : "a method that it does not name",
                     key);
}
