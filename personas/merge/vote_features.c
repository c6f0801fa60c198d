/* vote_features.c - see vote_features.h. */
#include "vote_features.h"

#define VOTE_FEATURE_NAME(id, name) [id] = (name),
static const char *const NAMES[VOTE_FEATURES] = {VOTE_FEATURE_TABLE(VOTE_FEATURE_NAME)};

const char *vote_feature_name(int feature)
{
    return NAMES[feature];
}
