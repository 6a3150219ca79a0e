// SPDX-License-Identifier: Apache-2.0
//
// The public header in C++17: it compiles without a warning, and what it
// declares has C linkage. Compiled only (CTest runs the compiler).
#include <belt/belt.h>

#include <type_traits>

static_assert(std::is_standard_layout<belt_result>::value, "results cross the library's border");
static_assert(std::is_same<decltype(&belt_pool_close), void (*)(belt_pool **)>::value, "a plain function");

extern "C" int source(void *ctx, belt_input *input);
extern "C" int source(void *ctx, belt_input *input)
{
    (void)ctx;
    input->data = "x";
    input->len = 1;
    return BELT_INPUT_READY;
}

int main()
{
    belt_pool_options options = BELT_POOL_OPTIONS_INIT;
    belt_job_options job = BELT_JOB_OPTIONS_INIT;
    belt_reader_options reader = BELT_READER_OPTIONS_INIT;
    belt_status_options status = BELT_STATUS_OPTIONS_INIT;
    belt_worker_options worker = BELT_WORKER_OPTIONS_INIT;
    belt_progress progress = BELT_PROGRESS_INIT;
    belt_pool *pool = nullptr;
    belt_stream *stream = nullptr;

    belt_pool_options_init(&options);
    belt_job_options_init(&job);
    if (reader.size + status.size + worker.size + progress.size == 0)
        return 1;
    job.chunksize = 3;
    if (belt_pool_open(nullptr, &options, &pool) != BELT_OK)
        return 1;
    if (belt_pool_imap(pool, "f", source, nullptr, &job, &stream) == BELT_OK)
        belt_stream_close(&stream);
    belt_pool_close(&pool);
    return 0;
}
