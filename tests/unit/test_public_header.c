/* SPDX-License-Identifier: Apache-2.0
 *
 * The public header in strict C11: it compiles by itself, without a warning, its macros name every field, and no struct
 * that a program fills ends in padding, where a field that is added later would not change its size.
 * Compiled only (CTest runs the compiler).
 */
#include <belt/belt.h>

_Static_assert(BELT_OK == 0, "success is zero");
_Static_assert(sizeof(((belt_pool_options *)0)->size) == sizeof(size_t), "option structs begin with their size");

#define ENDS_WITH(type, last)                                                                                          \
    _Static_assert(sizeof(type) == offsetof(type, last) + sizeof(((type *)0)->last), #type " ends in padding")
ENDS_WITH(belt_pool_options, access);
ENDS_WITH(belt_job_options, share);
ENDS_WITH(belt_reader_options, buffer_bytes);
ENDS_WITH(belt_status_options, owner);
ENDS_WITH(belt_worker_options, access);
ENDS_WITH(belt_progress, notice);

static belt_pool_options pool = BELT_POOL_OPTIONS_INIT;
static belt_job_options job = BELT_JOB_OPTIONS_INIT;
static belt_reader_options reader = BELT_READER_OPTIONS_INIT;
static belt_status_options status = BELT_STATUS_OPTIONS_INIT;
static belt_worker_options worker = BELT_WORKER_OPTIONS_INIT;
static belt_progress progress = BELT_PROGRESS_INIT;

int main(void)
{
    belt_pool_options options;

    belt_pool_options_init(&options);
    return options.size + pool.size + job.size + reader.size + status.size + worker.size + progress.size > 0 ? 0 : 1;
}
