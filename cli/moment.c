/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/moment.h"

#include "cli/units.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Reads HH:MM or HH:MM:SS; where it ends, NULL when it is none. */
static const char *read_time(const char *text, struct tm *tm)
{
    int len = 0;

    tm->tm_sec = 0;
    if (sscanf(text, "%2d:%2d%n", &tm->tm_hour, &tm->tm_min, &len) != 2 || len < 4 || strchr("+- ", *text))
        return NULL;
    text += len;
    if (*text == ':') {
        if (sscanf(text, ":%2d%n", &tm->tm_sec, &len) != 1 || len != 3)
            return NULL;
        text += len;
    }
    return tm->tm_hour >= 0 && tm->tm_hour < 24 && tm->tm_min >= 0 && tm->tm_min < 60 && tm->tm_sec >= 0 &&
                   tm->tm_sec < 60
               ? text
               : NULL;
}

/* The day must be one of the calendar: mktime() would take 31 February for a day in March. */
static bool to_ms(struct tm tm, bool utc, uint64_t *ms)
{
    struct tm made = tm;

    made.tm_isdst = -1;
    time_t at = utc ? timegm(&made) : mktime(&made);
    if (at < 0 || made.tm_mday != tm.tm_mday || made.tm_mon != tm.tm_mon)
        return false;
    *ms = (uint64_t)at * 1000;
    return true;
}

static bool read_day(const char *text, uint64_t *ms)
{
    struct tm tm = {0};
    int len = 0;

    if (sscanf(text, "%4d-%2d-%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &len) != 3 || len != 10 ||
        tm.tm_year < 1970)
        return false;
    text += len;
    if (*text != ' ' && *text != 'T')
        return false;
    text = read_time(text + 1, &tm);
    if (!text || (*text && strcmp(text, "Z")))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    return to_ms(tm, *text == 'Z', ms);
}

/* The next moment of this time of the day. */
static bool read_clock(const char *text, uint64_t now, uint64_t *ms)
{
    time_t seconds = (time_t)(now / 1000);
    struct tm tm;

    if (!localtime_r(&seconds, &tm))
        return false;
    text = read_time(text, &tm);
    if (!text || *text)
        return false;
    if (!to_ms(tm, false, ms))
        return false;
    if (*ms > now)
        return true;
    tm.tm_mday++;
    tm.tm_isdst = -1;
    time_t at = mktime(&tm); /* tomorrow may be in the next month */
    *ms = at < 0 ? 0 : (uint64_t)at * 1000;
    return at >= 0;
}

bool moment_parse(const char *text, uint64_t now, uint64_t *ms)
{
    if (*text == '@') {
        if (!units_count(text + 1, ms) || *ms > UINT64_MAX / 1000)
            return false;
        *ms *= 1000;
        return true;
    }
    return strchr(text, '-') ? read_day(text, ms) : read_clock(text, now, ms);
}
