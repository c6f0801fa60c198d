/* rules_internal.h - one rule as read; shared by rules.c (reading) and rules_step.c (acting). */
#ifndef ENGINE_RULES_INTERNAL_H
#define ENGINE_RULES_INTERNAL_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "rules.h"

/* Bits of rule.when, in the order of their names. */
enum {
    WHEN_TOKEN = 1,
    WHEN_TAG = 2,
    WHEN_PATTERN = 4,
    WHEN_ROLE = 8,
    WHEN_PROMPT = 16,
    WHEN_ADAPTER = 32,
};

typedef struct rule_bias {
    int expert;
    float bias;
} rule_bias;

typedef struct rule {
    unsigned when; /* all of these must hold */
    tokens ids;    /* WHEN_TOKEN */
    char *tag;     /* WHEN_TAG */
    pcre2_code *pattern;
    pcre2_match_data *match;
    int role;                      /* WHEN_ROLE: chat_role + 1 */
    int first_prompt, last_prompt; /* WHEN_PROMPT */
    char *adapter;                 /* WHEN_ADAPTER: its name, or NULL: */
    bool any_adapter;              /* whether there must be any, or none */
    int tokens_for;                /* tokens it acts; -1 = to the end of the turn */
    bool all_layers;
    uint8_t layers[MODEL_MAX_LAYERS];
    uint8_t *force, *keep, *ban; /* [MODEL_MAX_EXPERTS] or NULL */
    rule_bias *bias;
    int bias_count;
    int k; /* 0 = untouched */
} rule;

struct rule_list {
    rule *v;
    int n;
    uint64_t hash;
    pcre2_match_context *limits;
};

#endif
