/* SPDX-License-Identifier: Apache-2.0
 *
 * Estimates of run times, as functions of measured numbers.
 */
#include "broker/core/model/run_time.h"

/* How much longer than the estimate a sample counts for at the most. */
#define RISE_MOST 4.0
/* Run times have risen when SHIFT_ABOVE samples in a row are each longer than SHIFT_TIMES what was typical and SHIFT_US
 * more, and have fallen when SHIFT_BELOW samples in a row are each shorter than one SHIFT_TIMES-th of it. */
#define SHIFT_TIMES 4.0
#define SHIFT_US    100.0
#define SHIFT_ABOVE 4u
#define SHIFT_BELOW 2u
/* After this many long samples in a row it is likely that run times have risen, and the larger estimate is reckoned
 * with. */
#define SHIFT_DOUBT 2u
#define DOUBT_US    125

static const struct {
    double below_us;
    uint64_t stuck_ms; /* four times as long and some: the clock counts in ms, and messages take their time */
} paces[RUN_TIME_PACES] = {{1000, 3}, {2000, 11}, {6000, 27}, {20000, 83}};

uint8_t run_time_pace(double typical_us)
{
    uint8_t pace = 0;
    while (pace < RUN_TIME_PACES && typical_us >= paces[pace].below_us)
        pace++;
    return typical_us > 0 ? pace : RUN_TIME_PACES;
}

uint64_t run_time_stuck_ms(uint8_t pace)
{
    return paces[pace].stuck_ms;
}

double run_time_estimate(double service_us, uint32_t sample_us)
{
    double sample = sample_us < 1 ? 1 : sample_us;
    if (service_us <= 0)
        return sample;
    /* One long task among many short ones says little; several in a row soon say all. */
    if (sample > service_us * RISE_MOST)
        sample = service_us * RISE_MOST;
    double weight = sample > service_us ? 0.25 : 1.0 / 64;
    return service_us + (sample - service_us) * weight;
}

/* Another sample is far away: when there are enough of them, the nearest counts. */
static bool is_shift(struct run_time_typical *typical, uint8_t *row, uint8_t enough, double sample)
{
    bool nearer = (sample > typical->us) == (sample < typical->far_us);
    if (*row == 0 || nearer)
        typical->far_us = sample;
    if (++*row < enough)
        return false;
    typical->us = typical->far_us;
    *row = 0;
    return true;
}

double run_time_expect(const struct run_time_typical *typical)
{
    if (typical->above >= SHIFT_DOUBT)
        return typical->far_us;
    return typical->above && typical->us < DOUBT_US ? DOUBT_US : typical->us;
}

bool run_time_learn(struct run_time_typical *typical, uint32_t sample_us)
{
    double us = typical->us, sample = sample_us < 1 ? 1 : sample_us;
    bool above = sample > us * SHIFT_TIMES + SHIFT_US, below = sample < us / SHIFT_TIMES;
    if (us <= 0) {
        typical->us = sample;
        return false;
    }
    typical->above = above ? typical->above : 0;
    typical->below = below ? typical->below : 0;
    if (above && is_shift(typical, &typical->above, SHIFT_ABOVE, sample))
        return true;
    if (below && is_shift(typical, &typical->below, SHIFT_BELOW, sample))
        return false;
    /* In even steps, four times as large down as up: it rests where four samples in five are above it. */
    double up = us * (1 + 1.0 / 32), down = us * (1 - 1.0 / 8);
    typical->us = sample > up ? up : sample < down ? down : sample;
    return false;
}
