/* As much JSON as the plugin needs when it is alone: whether a text is one JSON object, and where some of its members lie.
 *
 * Nothing is copied or decoded: a value is a piece of the text, so that it can be printed exactly as it came. Escapes in keys
 * and strings are understood where they are compared with a word of ours. When a key is given twice the last one counts, as
 * in the runtimes' own parser. Nesting is limited, so that no input can exhaust the stack.
 */
#ifndef SECNET_JSON_H
#define SECNET_JSON_H

#include <stdbool.h>
#include <stddef.h>

struct span { const char *at; size_t len; };            /* len 0: there is none */
struct member { const char *key; struct span value; };  /* key: ASCII */

/* True when the text is one JSON object; then members[i].value is set for each key that stands at its top. */
bool json_object(struct span text, struct member *members, size_t count);

/* True when the value is a JSON string that means `word` (ASCII). */
bool json_is(struct span value, const char *word);

/* True when the value is JSON's null. */
bool json_is_null(struct span value);

/* True when the value is a JSON string of nothing but ASCII white space. */
bool json_is_blank(struct span value);

/* True when the value is a JSON array and one of its elements is a string that means `word`. */
bool json_array_has(struct span value, const char *word);

#endif
