#include "json.h"

#include <string.h>

enum { MAX_DEPTH = 128 };

struct scan { const char *at, *end; };  /* what is left of the text */

static bool value(struct scan *s, int depth);

static void space(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
        s->at++;
}

static bool take(struct scan *s, char c)
{
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* What a character means after a backslash; -1 if it means nothing there. */
static int escaped(char mark)
{
    switch (mark) {
    case '"': case '\\': case '/': return mark;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return -1;
    }
}

/* One character inside a string: its code, the byte itself outside of ASCII, or -1 when it is not allowed there. */
static int character(struct scan *s)
{
    if (s->at == s->end)
        return -1;
    unsigned char c = (unsigned char)*s->at++;
    if (c < 0x20)
        return -1;
    if (c != '\\')
        return c;
    if (s->at == s->end)
        return -1;
    char mark = *s->at++;
    if (mark == 'u') {
        int code = 0;
        for (int i = 0; i < 4; i++) {
            int digit = s->at == s->end ? -1 : hex_digit(*s->at++);
            if (digit < 0)
                return -1;
            code = code * 16 + digit;
        }
        /* What is no ASCII equals none of our words, whatever it is; a raw byte above 0x7f does not either. */
        return code < 0x80 ? code : 0x100 + code;
    }
    return escaped(mark);
}

/* A string; `same` becomes whether it means `word`, if there is a word. */
static bool string(struct scan *s, const char *word, bool *same)
{
    if (!take(s, '"'))
        return false;
    bool equal = word != NULL;
    while (s->at < s->end && *s->at != '"') {
        if (!equal && (unsigned char)*s->at >= 0x20 && *s->at != '\\') {
            s->at++;  /* nearly all of a long text */
            continue;
        }
        int c = character(s);
        if (c < 0)
            return false;
        if (equal && *word != '\0' && (unsigned char)*word == c)
            word++;
        else
            equal = false;
    }
    if (same)
        *same = equal && *word == '\0';
    return take(s, '"');
}

static bool digits(struct scan *s)
{
    const char *start = s->at;
    while (s->at < s->end && is_digit(*s->at))
        s->at++;
    return s->at > start;
}

static bool number(struct scan *s)
{
    take(s, '-');
    if (!take(s, '0') && !digits(s))
        return false;
    if (take(s, '.') && !digits(s))
        return false;
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '+'))
            take(s, '-');
        return digits(s);
    }
    return true;
}

static bool literal(struct scan *s, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
        return false;
    s->at += len;
    return true;
}

/* Elements until `]`; `has` becomes true when one is a string that means `word`, if there is a word. */
static bool array(struct scan *s, int depth, const char *word, bool *has)
{
    if (!take(s, '['))
        return false;
    space(s);
    if (take(s, ']'))
        return true;
    do {
        space(s);
        const char *start = s->at;
        if (!value(s, depth))
            return false;
        if (word && json_is((struct span){start, (size_t)(s->at - start)}, word))
            *has = true;
        space(s);
    } while (take(s, ','));
    return take(s, ']');
}

static bool object(struct scan *s, int depth, struct member *members, size_t count)
{
    if (!take(s, '{'))
        return false;
    space(s);
    if (take(s, '}'))
        return true;
    do {
        space(s);
        struct scan key = *s;
        if (!string(s, NULL, NULL))
            return false;
        space(s);
        if (!take(s, ':'))
            return false;
        space(s);
        const char *start = s->at;
        if (!value(s, depth))
            return false;
        for (size_t i = 0; i < count; i++) {
            struct scan again = key;
            bool same = false;
            if (string(&again, members[i].key, &same) && same)
                members[i].value = (struct span){start, (size_t)(s->at - start)};
        }
        space(s);
    } while (take(s, ','));
    return take(s, '}');
}

static bool value(struct scan *s, int depth)
{
    if (s->at == s->end || depth == MAX_DEPTH)
        return false;
    switch (*s->at) {
    case '{': return object(s, depth + 1, NULL, 0);
    case '[': return array(s, depth + 1, NULL, NULL);
    case '"': return string(s, NULL, NULL);
    case 't': return literal(s, "true");
    case 'f': return literal(s, "false");
    case 'n': return literal(s, "null");
    default: return number(s);
    }
}

bool json_object(struct span text, struct member *members, size_t count)
{
    struct scan s = {text.at, text.at + text.len};
    for (size_t i = 0; i < count; i++)
        members[i].value = (struct span){NULL, 0};
    space(&s);
    if (!object(&s, 1, members, count))
        return false;
    space(&s);
    return s.at == s.end;
}

bool json_is(struct span value, const char *word)
{
    struct scan s = {value.at, value.at + value.len};
    bool same = false;
    return value.len && string(&s, word, &same) && same && s.at == s.end;
}

bool json_is_null(struct span value)
{
    struct scan s = {value.at, value.at + value.len};
    return value.len && literal(&s, "null") && s.at == s.end;
}

bool json_is_blank(struct span value)
{
    struct scan s = {value.at, value.at + value.len};
    if (!value.len || !take(&s, '"'))
        return false;
    while (s.at < s.end && *s.at != '"') {
        int c = character(&s);
        if (c != ' ' && (c < '\t' || c > '\r'))
            return false;
    }
    return take(&s, '"') && s.at == s.end;
}

bool json_array_has(struct span value, const char *word)
{
    struct scan s = {value.at, value.at + value.len};
    bool has = false;
    return value.len && array(&s, 1, word, &has) && has;
}
