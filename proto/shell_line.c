/* SPDX-License-Identifier: Apache-2.0
 *
 * The {} in a line for the shell. Pure. See shell_line.h.
 *
 * The line is read once, with a stack of what surrounds the reading place: quotes, substitutions, arithmetic. A mistake
 * in that would put a reference into the wrong kind of quotes, where the shell might split it into words; it would
 * still not run it. (POSIX.1-2017, Shell Command Language, 2.2 to 2.6.)
 */
#include "proto/shell_private.h"
#include "proto/shell_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REFERENCE    "${" SHELL_INPUT_NAME "?}" /* without the variable (env -i, sudo) the shell stops, and says so */
#define QUOTED       "\"" REFERENCE "\""
#define DEPTH_MAX    32u
#define WORD_MAX     256u
#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"

enum around {
    AROUND_CODE,   /* the line itself, ( ), $( ) */
    AROUND_TICKS,  /* ` ` */
    AROUND_SINGLE, /* ' ' */
    AROUND_ANSI,   /* $' ' of bash and ksh */
    AROUND_DOUBLE, /* " " */
    AROUND_BRACE,  /* ${ } */
    AROUND_ARITH   /* $(( )), (( )) */
};

struct frame {
    enum around around;
    bool paren;                          /* CODE: ends with ) */
    bool in_double, pattern, arithmetic; /* BRACE */
    unsigned parens;                     /* ARITH: ( that are open */
    unsigned cases;                      /* CODE: case … esac that are open */
    struct seen seen;
    char word[WORD_MAX]; /* CODE: the letters of the word so far, up to the first that the shell computes */
    unsigned word_len;
    bool word_begun;  /* a character of it was read, be it a quote */
    bool word_plain;  /* the shell computes nothing in it */
    bool subscript;   /* CODE: behind a [ that may be one of an array */
    bool array;       /* CODE: what stands in the ( ) of x=( ) */
    bool escaped;     /* TICKS: a backslash, behind which quotes change their meaning */
    const char *test; /* CODE: where its [[ stands */
};

struct scan {
    struct shell_line *out;
    const char *line, *at;
    struct frame frames[DEPTH_MAX];
    unsigned depth; /* of the innermost frame */
    bool here;      /* a here-document was begun */
    bool failed;    /* out of memory */
};

/* ---- output ---- */

static void put(struct scan *scan, const char *text, size_t len)
{
    scan->failed |= shell_add(scan->out, text, len) != 0;
}

/* Copies `n` characters of the line. */
static void copy(struct scan *scan, size_t n)
{
    put(scan, scan->at, n);
    scan->at += n;
}

/* ---- the stack ---- */

static struct frame *top(struct scan *scan)
{
    return &scan->frames[scan->depth];
}

static bool is_code(const struct frame *frame)
{
    return frame->around == AROUND_CODE || frame->around == AROUND_TICKS;
}

static int push(struct scan *scan, enum around around)
{
    if (scan->depth + 1 == DEPTH_MAX) {
        snprintf(scan->out->error, sizeof(scan->out->error),
                 "the command line is nested in more than %u levels; put it into a script of its own", DEPTH_MAX);
        return -1;
    }
    scan->frames[++scan->depth] = (struct frame){.around = around, .word_plain = true};
    return 0;
}

static void pop(struct scan *scan)
{
    if (scan->depth > 0)
        scan->depth--;
}

/* ---- words ---- */

/* The word before the reading place is over. */
static void end_word(struct scan *scan, struct frame *frame)
{
    if (!frame->word_begun)
        return;
    frame->word[frame->word_len] = '\0';
    const char *word = frame->word_plain ? frame->word : "";
    if (strcmp(word, "case") == 0)
        frame->cases++;
    else if (strcmp(word, "esac") == 0 && frame->cases > 0)
        frame->cases--;
    else if (strcmp(word, "[[") == 0)
        frame->test = scan->at;
    else if (strcmp(word, "]]") == 0)
        frame->test = NULL;
    seen_word(&frame->seen, frame->word, frame->word_plain);
    frame->word_len = 0;
    frame->word_plain = true;
    frame->word_begun = frame->subscript = false;
}

static void end_command(struct scan *scan, struct frame *frame)
{
    end_word(scan, frame);
    frame->seen = (struct seen){0};
}

/* A letter that the shell takes as it is, or (not `plain`) makes something of. */
static void add_letter(struct frame *frame, char c, bool plain)
{
    frame->word_begun = true;
    if (plain && frame->word_plain && frame->word_len + 1 < WORD_MAX)
        frame->word[frame->word_len++] = c;
    else
        frame->word_plain = false;
}

static bool is_name(const char *text, size_t len)
{
    return len > 0 && strspn(text, NAME_LETTERS) >= len;
}

/* Whether a [ behind the letters so far may begin the subscript of an array. */
static bool begins_subscript(const struct frame *frame)
{
    return frame->word_plain && (frame->word_len == 0 ? frame->array : is_name(frame->word, frame->word_len));
}

/* A character of a word, without quotes. */
static void add_bare(struct frame *frame, char c)
{
    if (c == '[' && begins_subscript(frame))
        frame->subscript = true;
    else if (c == ']')
        frame->subscript = false;
    add_letter(frame, c, !strchr("*?$~", c));
}

/* A character of a word, in quotes: of the word that they are a part of. */
static void add_quoted(struct scan *scan, char c)
{
    if (scan->depth > 0 && is_code(&scan->frames[scan->depth - 1]))
        add_letter(&scan->frames[scan->depth - 1], c, true);
}

/* ---- placeholders ---- */

/* Whether the [[ ]] around the reading place compares numbers, or asks for a variable. */
static bool compares_numbers(const struct scan *scan, const struct frame *frame)
{
    static const char *const operators[] = {"-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-v"};
    const char *end = strstr(scan->at, "]]");

    for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++) {
        const char *found = strstr(frame->test, operators[i]);
        if (found && (!end || found < end))
            return true;
    }
    return false;
}

/* Refused wherever it stands, because of the command that it is a word of. */
static int check_command(struct scan *scan)
{
    const char *instead, *where;

    for (unsigned i = 0; i <= scan->depth; i++) {
        struct frame *frame = &scan->frames[i];
        enum why why = WHY_NOT;
        if (frame->escaped)
            return shell_refuse(scan->out, "within ` ` that have a backslash", "write $( ) instead");
        if (!is_code(frame))
            continue;
        frame->word[frame->word_len] = '\0';
        if (frame->subscript)
            why = WHY_NUMBER;
        else if (frame->test && compares_numbers(scan, frame))
            why = WHY_NUMBER;
        else
            why = seen_check(&frame->seen, frame->word);
        if (why != WHY_NOT) {
            where = why_text(why, &instead);
            return shell_refuse(scan->out, where, instead);
        }
    }
    return 0;
}

static int place(struct scan *scan)
{
    const struct frame *frame = top(scan);
    const char *text = QUOTED;

    if (scan->here)
        return shell_refuse(scan->out, "behind the beginning of a here-document",
                            "use printf '%s\\n' {} | … , or put the command into a script of its own");
    if (check_command(scan) != 0)
        return -1;
    switch (frame->around) {
    case AROUND_ARITH:
        return shell_refuse(scan->out, "in arithmetic, which a shell may evaluate as code",
                            "use expr, as in: expr {} + 1");
    case AROUND_BRACE:
        if (frame->arithmetic)
            return shell_refuse(scan->out, "in arithmetic, which a shell may evaluate as code", "use expr or cut");
        text = frame->in_double && !frame->pattern ? REFERENCE : QUOTED;
        break;
    case AROUND_DOUBLE:
        text = REFERENCE;
        break;
    case AROUND_SINGLE:
        text = "'" QUOTED "'";
        break;
    case AROUND_ANSI:
        text = "'" QUOTED "$'";
        break;
    default:
        break;
    }
    put(scan, text, strlen(text));
    scan->at += strlen(PLACE);
    scan->out->references++;
    for (unsigned i = 0; i <= scan->depth; i++)
        scan->frames[i].word_begun = true, scan->frames[i].word_plain = false;
    return 0;
}

/* ---- what opens and closes ---- */

/* After "${": what the expansion does with what comes behind its name. */
static void open_brace(struct scan *scan, bool in_double)
{
    struct frame *frame = top(scan);
    const char *at = scan->at + 2;

    at += *at == '#' && at[1] != '}';
    at += strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    at += *at == '@' || *at == '*' || *at == '!';
    frame->in_double = in_double;
    frame->pattern = *at != '\0' && strchr("#%/^,", *at);
    frame->arithmetic = *at == '[' || (*at == ':' && (at[1] == '\0' || !strchr("-=?+", at[1])));
}

/* At "$[", which bash still knows. */
static int old_arithmetic(struct scan *scan)
{
    const char *end = strchr(scan->at, ']'), *found = strstr(scan->at, PLACE);

    if (end && found && found < end)
        return shell_refuse(scan->out, "in arithmetic, which a shell may evaluate as code",
                            "use expr, as in: expr {} + 1");
    return 0;
}

/* A substitution that begins here: 1; none: 0; -1: refused. */
static int open_substitution(struct scan *scan, bool in_double)
{
    const char *at = scan->at;

    if (strncmp(at, "$((", 3) == 0) {
        if (push(scan, AROUND_ARITH) != 0)
            return -1;
        copy(scan, 3);
    } else if (strncmp(at, "$(", 2) == 0) {
        if (push(scan, AROUND_CODE) != 0)
            return -1;
        top(scan)->paren = true;
        copy(scan, 2);
    } else if (strncmp(at, "${", 2) == 0) {
        if (push(scan, AROUND_BRACE) != 0)
            return -1;
        open_brace(scan, in_double);
        copy(scan, 2);
    } else if (*at == '`') {
        if (push(scan, AROUND_TICKS) != 0)
            return -1;
        copy(scan, 1);
    } else if (strncmp(at, "$[", 2) == 0) {
        return old_arithmetic(scan);
    } else {
        return 0;
    }
    return 1;
}

/* The script of a shell, in single quotes: a line of its own. */
static int inner_script(struct scan *scan)
{
    const char *end = strchr(scan->at + 1, '\'');
    struct shell_line script = {0};
    int rc;

    if (!end) {
        copy(scan, strlen(scan->at));
        return 0;
    }
    if (end == scan->at + 3 && strncmp(scan->at + 1, PLACE, 2) == 0)
        return shell_refuse(scan->out, RUNS_INPUT);
    rc = shell_read_line(&script, scan->at + 1, (size_t)(end - scan->at - 1));
    if (rc == 0) {
        put(scan, "'", 1);
        put(scan, script.text, script.len - 1);
        put(scan, "'", 1);
        scan->at = end + 1;
        scan->out->references += script.references;
    } else {
        memcpy(scan->out->error, script.error, sizeof(script.error));
    }
    shell_line_free(&script);
    return rc;
}

/* ---- one step in each kind of surroundings ---- */

/* A backslash within ` ` is taken away before the quotes are read. */
static void note_escape(struct scan *scan)
{
    for (unsigned i = 0; i <= scan->depth; i++)
        if (scan->frames[i].around == AROUND_TICKS && strchr("`$\\\"", scan->at[1]))
            scan->frames[i].escaped = true;
}

static int step_quotes(struct scan *scan)
{
    const struct frame *frame = top(scan);
    char c = *scan->at, end = frame->around == AROUND_DOUBLE ? '"' : '\'';
    bool escapes = frame->around != AROUND_SINGLE;

    if (c == '\\' && escapes && scan->at[1] != '\0') {
        add_quoted(scan, scan->at[1]);
        note_escape(scan);
        copy(scan, 2);
    } else if (c == end) {
        copy(scan, 1);
        pop(scan);
    } else {
        struct frame *outer = scan->depth > 0 ? &scan->frames[scan->depth - 1] : NULL;
        int rc = frame->around == AROUND_DOUBLE ? open_substitution(scan, true) : 0;
        if (rc < 0)
            return -1;
        if (outer && is_code(outer) && (rc > 0 || (c == '$' && frame->around == AROUND_DOUBLE)))
            outer->word_plain = false;
        if (rc == 0) {
            add_quoted(scan, c);
            copy(scan, 1);
        }
    }
    return 0;
}

static int step_brace(struct scan *scan)
{
    const struct frame *frame = top(scan);
    char c = *scan->at;
    int rc;

    if (c == '\\' && scan->at[1] != '\0') {
        note_escape(scan);
        copy(scan, 2);
        return 0;
    }
    if (c == '}') {
        copy(scan, 1);
        pop(scan);
        return 0;
    }
    rc = open_substitution(scan, frame->in_double);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (c == '"' || (c == '\'' && !frame->in_double))
        rc = push(scan, c == '"' ? AROUND_DOUBLE : AROUND_SINGLE);
    copy(scan, 1);
    return rc;
}

static int step_arithmetic(struct scan *scan)
{
    struct frame *frame = top(scan);
    int rc = open_substitution(scan, true);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (*scan->at == ')' && frame->parens == 0) {
        copy(scan, scan->at[1] == ')' ? 2 : 1);
        pop(scan);
        return 0;
    }
    if (*scan->at == '(')
        frame->parens++;
    else if (*scan->at == ')')
        frame->parens--;
    copy(scan, 1);
    return 0;
}

/* From # to the end of the line. */
static int comment(struct scan *scan)
{
    size_t len = strcspn(scan->at, "\n");
    const char *found = strstr(scan->at, PLACE);

    if (found && found < scan->at + len)
        return shell_refuse(scan->out, "in a comment", "leave the comment out");
    copy(scan, len);
    return 0;
}

static int open_paren(struct scan *scan, struct frame *frame)
{
    bool arithmetic = scan->at[1] == '(' && !frame->word_begun;
    bool array = frame->word_plain && frame->word_len > 0 && frame->word[frame->word_len - 1] == '=';

    end_command(scan, frame);
    if (push(scan, arithmetic ? AROUND_ARITH : AROUND_CODE) != 0)
        return -1;
    top(scan)->paren = !arithmetic;
    top(scan)->array = array;
    copy(scan, arithmetic ? 2 : 1);
    return 0;
}

/* Characters that end a word or a command, and parentheses. 0: none of these. */
static int step_separator(struct scan *scan, struct frame *frame)
{
    char c = *scan->at;

    if (c == ' ' || c == '\t') {
        end_word(scan, frame);
    } else if (c == '\n' || c == ';' || c == '&' || c == '|') {
        end_command(scan, frame);
    } else if (c == '<' || c == '>') {
        end_word(scan, frame);
        if (strncmp(scan->at, "<<<", 3) == 0) {
            copy(scan, 2);
        } else if (strncmp(scan->at, "<<", 2) == 0) {
            scan->here = true;
            copy(scan, 1);
        }
    } else if (c == '(') {
        return open_paren(scan, frame) != 0 ? -1 : 1;
    } else if (c == ')') {
        end_command(scan, frame);
        if (frame->paren && frame->cases == 0)
            pop(scan);
    } else {
        return 0;
    }
    copy(scan, 1);
    return 1;
}

static int open_quotes(struct scan *scan, struct frame *frame)
{
    char c = *scan->at;
    bool ansi = c == '\'' && scan->at > scan->line && scan->at[-1] == '$';

    if (c == '\'' && frame->seen.script && frame->seen.reads == READS_SHELL && !frame->word_begun) {
        add_letter(frame, c, false);
        return inner_script(scan);
    }
    frame->word_begun = true;
    frame->word_plain &= !ansi;
    copy(scan, 1);
    return push(scan, c == '"' ? AROUND_DOUBLE : ansi ? AROUND_ANSI : AROUND_SINGLE);
}

static int step_code(struct scan *scan)
{
    struct frame *frame = top(scan);
    char c = *scan->at;
    int rc;

    if (c == '\\' && scan->at[1] != '\0') {
        if (scan->at[1] != '\n')
            add_letter(frame, scan->at[1], true);
        note_escape(scan);
        copy(scan, 2);
        return 0;
    }
    if (c == '`' && frame->around == AROUND_TICKS) {
        copy(scan, 1);
        pop(scan);
        return 0;
    }
    if (c == '#' && !frame->word_begun)
        return comment(scan);
    if (c == '\'' || c == '"')
        return open_quotes(scan, frame);
    rc = step_separator(scan, frame);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    rc = open_substitution(scan, false);
    if (rc != 0) {
        frame->word_begun = true;
        frame->word_plain = false;
        return rc < 0 ? -1 : 0;
    }
    add_bare(frame, c);
    copy(scan, 1);
    return 0;
}

static int step(struct scan *scan)
{
    if (strncmp(scan->at, PLACE, 2) == 0)
        return place(scan);
    switch (top(scan)->around) {
    case AROUND_CODE:
    case AROUND_TICKS:
        return step_code(scan);
    case AROUND_BRACE:
        return step_brace(scan);
    case AROUND_ARITH:
        return step_arithmetic(scan);
    default:
        return step_quotes(scan);
    }
}

/* ---- the whole ---- */

int shell_read_line(struct shell_line *out, const char *line, size_t len)
{
    char *copied = strndup(line, len);
    struct scan scan = {.out = out, .line = copied, .at = copied};
    int rc = 0;

    if (!copied) {
        snprintf(out->error, sizeof(out->error), "out of memory");
        return -1;
    }
    scan.frames[0] = (struct frame){.around = AROUND_CODE, .word_plain = true};
    while (rc == 0 && *scan.at != '\0')
        rc = step(&scan);
    put(&scan, "", 1);
    free(copied);
    if (scan.failed)
        snprintf(out->error, sizeof(out->error), "out of memory");
    return scan.failed ? -1 : rc;
}

int shell_line_read(struct shell_line *out, const char *line)
{
    *out = (struct shell_line){0};
    if (shell_check_foreign(out, line, true) != 0)
        return -1;
    return shell_read_line(out, line, strlen(line));
}

void shell_line_free(struct shell_line *line)
{
    free(line->text);
    line->text = NULL;
}
