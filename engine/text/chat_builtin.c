/* chat_builtin.c - see chat_builtin.h. */
#include "chat_builtin.h"

#include <stddef.h>
#include <string.h>

#define EACH     "{% for message in messages %}"
#define END_EACH "{% endfor %}"
/* Behind all messages: the head of the answer, when one is to come. */
#define REPLY(head) "{% if add_generation_prompt %}{{ '" head "' }}{% endif %}"

#define LLAMA_HEAD(role) "'<|start_header_id|>' + " role " + '<|end_header_id|>\\n\\n' + "
#define LLAMA_TURN       "{{ " LLAMA_HEAD("message.role") "message.content | trim + '<|eot_id|>' }}"
#define LLAMA_REPLY      REPLY("<|start_header_id|>assistant<|end_header_id|>\\n\\n")

/* Mistral knows no turn of the system: its text stands in front of a question, the first one
 * or, from v3 on, the last one, with a blank line between. */
#define MISTRAL_SPLIT                                                                              \
    "{% set system = '' %}{% set rest = messages %}"                                               \
    "{% if messages and messages[0].role == 'system' %}"                                           \
    "{% set system = messages[0].content + '\\n\\n' %}{% set rest = messages[1:] %}{% endif %}"    \
    "{% set at = namespace(first=-1, last=-1) %}"                                                  \
    "{% for message in rest %}{% if message.role == 'system' %}"                                   \
    "{{ raise_exception('this format has a system message at the start only') }}{% endif %}"       \
    "{% if message.role == 'user' %}{% if at.first < 0 %}{% set at.first = loop.index0 %}"         \
    "{% endif %}{% set at.last = loop.index0 %}{% endif %}{% endfor %}{{ bos_token }}"
#define MISTRAL(place, open, close, answer)                                                        \
    MISTRAL_SPLIT "{% for message in rest %}{% if message.role == 'user' %}{{ '" open              \
                  "' + (system if loop.index0 == at." place                                        \
                  " else '') + message.content + '" close "' }}{% else %}{{ " answer               \
                  " + eos_token }}{% endif %}{% endfor %}"

static const chat_builtin formats[] = {
    /* Qwen, SmolLM2, Hermes, Yi and many more */
    {.name = "chatml",
     .text = EACH
     "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}" END_EACH
         REPLY("<|im_start|>assistant\\n"),
     .tokens = {"<|im_start|>", "<|im_end|>"}},
    {.name = "llama3",
     .text = "{{ bos_token }}" EACH LLAMA_TURN END_EACH LLAMA_REPLY,
     .tokens = {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}},
    /* Llama 3.1 to 3.3: always a system turn, which begins with two dates */
    {.name = "llama3.1",
     .text = "{% set system = '' %}{% set rest = messages %}"
             "{% if messages and messages[0].role == 'system' %}"
             "{% set system = messages[0].content | trim %}{% set rest = messages[1:] %}{% endif %}"
             "{{ bos_token }}{{ " LLAMA_HEAD(
                 "'system'") "'Cutting Knowledge Date: December 2023\\nToday Date: ' + "
                             "strftime_now('%d %b %Y') + "
                             "'\\n\\n' + system + '<|eot_id|>' }}"
                             "{% for message in rest %}" LLAMA_TURN END_EACH LLAMA_REPLY,
     .tokens = {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}},
    /* Mistral 7B v0.1 and v0.2 and Mixtral, as published first and as published later */
    {.name = "mistral-v0",
     .text = MISTRAL("first", "[INST] ", " [/INST]", "message.content"),
     .ends_with_eos = true},
    {.name = "mistral",
     .text = MISTRAL("first", " [INST] ", " [/INST]", "' ' + message.content"),
     .ends_with_eos = true},
    /* Mistral 7B v0.3, Mixtral 8x22B, Large 2407 */
    {.name = "mistral-v3",
     .text = MISTRAL("last", "[INST] ", "[/INST]", "' ' + message.content | trim"),
     .tokens = {"[INST]", "[/INST]"},
     .ends_with_eos = true},
    /* Mistral Nemo */
    {.name = "mistral-tekken",
     .text = MISTRAL("last", "[INST]", "[/INST]", "message.content"),
     .tokens = {"[INST]", "[/INST]"},
     .ends_with_eos = true},
    /* OLMoE, OLMo 2 and Tulu 3 */
    {.name = "olmo",
     .text = "{{ bos_token }}" EACH "{{ '<|' + message.role + '|>\\n' + message.content }}"
             "{% if message.role == 'assistant' %}{{ eos_token }}{% endif %}"
             "{% if message.role != 'assistant' or not loop.last %}{{ '\\n' }}{% endif %}" END_EACH
                 REPLY("<|assistant|>\\n"),
     .ends_with_eos = true},
    /* Zephyr and TinyLlama */
    {.name = "zephyr",
     .text = EACH
     "{{ '<|' + message.role + '|>\\n' + message.content + eos_token + '\\n' }}" END_EACH REPLY(
         "<|assistant|>\\n"),
     .ends_with_eos = true},
    {.name = "granite",
     .text =
         EACH "{{ '<|start_of_role|>' + message.role + '<|end_of_role|>' + message.content + "
              "'<|end_of_text|>\\n' }}" END_EACH REPLY("<|start_of_role|>assistant<|end_of_role|>"),
     .tokens = {"<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"}},
};

const chat_builtin *chat_builtin_find(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

const char *chat_builtin_names(void)
{
    return "chatml, llama3, llama3.1, mistral-v0, mistral, mistral-v3, mistral-tekken, olmo, "
           "zephyr, granite";
}
