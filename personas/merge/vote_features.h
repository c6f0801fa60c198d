/* vote_features.h - what a vote knows of an answer: names and order, in files and in memory. How the figures
 * are made stands in merge_reading.h.
 */
#ifndef PERSONAS_VOTE_FEATURES_H
#define PERSONAS_VOTE_FEATURES_H

/* FEATURE(enumerator, name in files), all in units where more is what the name says. */
#define VOTE_FEATURE_TABLE(FEATURE)                                                                \
    FEATURE(VOTE_PEERS, "peers")       /* mean ln p of a token, by the other passes */             \
    FEATURE(VOTE_SKEPTIC, "skeptic")   /* the same of the pass that finds it least likely */       \
    FEATURE(VOTE_WORST, "worst")       /* ln p of its least likely token, mean over the others */  \
    FEATURE(VOTE_SPREAD, "spread")     /* standard deviation of ln p over its tokens, the same */  \
    FEATURE(VOTE_PLAIN, "plain")       /* mean ln p under the plain model without a question */    \
    FEATURE(VOTE_GAIN, "gain")         /* peers less plain: what the question adds */              \
    FEATURE(VOTE_QUESTION, "question") /* mean ln p of the question behind the answer */           \
    FEATURE(VOTE_LENGTH, "length")     /* ln (1 + tokens) */                                       \
    FEATURE(VOTE_ASKED, "asked")       /* share of the question's words that it takes up */        \
    FEATURE(VOTE_SHARED, "shared")     /* share of its other words that others say too */          \
    FEATURE(VOTE_EQUAL, "equal")       /* share of the others with the same short answer */        \
    FEATURE(VOTE_SHORT, "short")       /* 1 = it has a short answer (extract.h) */                 \
    FEATURE(VOTE_REPEATS, "repeats")   /* share of its words that it has said before */            \
    FEATURE(VOTE_ENDED, "ended")       /* 1 = it ended by itself */

#define VOTE_FEATURE_ENUMERATOR(id, name) id,
enum { VOTE_FEATURE_TABLE(VOTE_FEATURE_ENUMERATOR) VOTE_FEATURES };
const char *vote_feature_name(int feature);

#endif
