/* stop_tokens.c - see stop_tokens.h. */
#include "stop_tokens.h"

#include <string.h>

/* Exact names: "<|end_of_role|>" and "<|end_header_id|>" end no text. */
static const char *const names[] = {
    "</s>",
    "<eos>",
    "[EOS]",
    "<|eos|>",
    "<EOS_TOKEN>", /* Llama 2, Mistral, Gemma */
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|END_OF_TEXT|>", /* GPT-2, Qwen, Llama 3 */
    "<|eot_id|>",
    "<|eom_id|>",
    "<|eot|>",
    "<|eom|>",    /* Llama 3 and 4 */
    "<|im_end|>", /* ChatML */
    "<|end|>",
    "<|return|>",
    "<|call|>", /* Phi 3, gpt-oss */
    "<end_of_turn>",
    "<|end_of_turn|>",
    "<|END_OF_TURN_TOKEN|>", /* Gemma, Command R */
    "<EOT>",
    "_<EOT>",
    "\u2581<EOT>",
    "<|EOT|>",
    "[EOT]",                                   /* code models, Kimi */
    "<\uFF5Cend\u2581of\u2581sentence\uFF5C>", /* DeepSeek */
    "<end_of_utterance>",
    "[|endofturn|]",
    "<|endofturn|>",
    "<|endofmessage|>",
};

bool stop_tokens_have(const tokens *set, int id)
{
    for (size_t i = 0; i < set->len; i++)
        if (set->v[i] == id)
            return true;
    return false;
}

static int add(tokens *out, int id, error *err)
{
    return id < 0 || stop_tokens_have(out, id) ? 0 : tokens_push(out, id, err);
}

static int control(const tokenizer *t, const char *name)
{
    int id = tokenizer_find(t, name, strlen(name));
    return id >= 0 && tokenizer_is_special(t, id) ? id : -1;
}

/* gpt-oss writes several messages in an answer: "<|end|>" ends each, the other two end the whole. */
static bool ends_messages(const tokenizer *t, const char *name)
{
    return strcmp(name, "<|end|>") == 0 && control(t, "<|return|>") >= 0 &&
           control(t, "<|call|>") >= 0;
}

int stop_tokens_collect(const model_config *c, const tokenizer *t, tokens *out, error *err)
{
    for (int i = 0; i < c->eos_count; i++)
        if (add(out, c->eos[i], err))
            return -1;
    if (!t)
        return 0;
    if (add(out, tokenizer_eos(t), err))
        return -1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!ends_messages(t, names[i]) && add(out, control(t, names[i]), err))
            return -1;
    return 0;
}
