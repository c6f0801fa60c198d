/* mask_view.h - what a router program lets through, layer by layer, in figures: for showing a mask and
 * for comparing two. The plain model is NULL: all experts, no bias. Rules are not looked at: they
 * act on some tokens only. Adapter experts are counted apart: the figures are of the
 * model's.
 */
#ifndef PERSONAS_MASK_VIEW_H
#define PERSONAS_MASK_VIEW_H

#include "../../engine/routing/router.h"

/* One layer with experts. Tables are borrowed from the program. */
typedef struct mask_view_layer {
    int layer;
    int k;                       /* experts called for each token */
    int allowed;                 /* experts that may be called */
    int adapter_count;           /* adapter experts, besides */
    int biased;                  /* of those allowed, experts with a logit bias */
    float least_bias, most_bias; /* nats, over the allowed ones */
    const uint8_t *may;          /* [experts] 1 = may be called; NULL = all may */
    const float *bias;           /* [experts] nats; NULL = none */
} mask_view_layer;

typedef struct mask_view {
    int experts; /* in each of the layers */
    int count;   /* layers with experts */
    mask_view_layer *layers;
    float strength; /* on the experts that the program names; 1 = off */
    double share;   /* mean of allowed / experts, 1 for a dense model */
    bool rules;     /* there are rules besides */
    uint64_t hash;  /* 0 = equal to the plain model */
} mask_view;

/* Owned by the caller; mask_view_release. Only memory can fail. */
int mask_view_describe(const router_program *p, const model_config *m, mask_view *out, error *err);
void mask_view_release(mask_view *v); /* {0} ok */

/* Two programs in one layer. */
typedef struct mask_view_overlap {
    int layer;
    int a, b;             /* experts that each allows */
    int both, either;     /* |A and B|, |A or B| */
    double jaccard;       /* both / either: 1 = the same experts */
    double bias_distance; /* mean of |bias_a - bias_b| over the experts that both allow, nats */
} mask_view_overlap;

typedef struct mask_view_difference {
    int count;
    mask_view_overlap *layers;
    double jaccard, bias_distance; /* means over the layers; 1 and 0 for a dense model */
} mask_view_difference;

int mask_view_compare(const router_program *a, const router_program *b, const model_config *m,
                      mask_view_difference *out, error *err);
void mask_view_difference_release(mask_view_difference *d); /* {0} ok */

#endif
