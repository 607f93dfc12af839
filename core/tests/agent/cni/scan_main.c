/* What the plugin reads in texts, for comparison with Python: frames of u32 length and text in, per text the answers out.
 * Each text lies in a buffer of its exact size, so that a sanitizer sees one byte read too many. */
#include "annotations.h"
#include "json.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { CNI_VERSION, TYPE, PREV_RESULT, PASS_NAMESPACES, RUNTIME_CONFIG, MEMBERS };

int main(void)
{
    uint32_t len;
    while (fread(&len, sizeof len, 1, stdin) == 1) {
        struct member found[MEMBERS] = {
            {.key = "cniVersion"}, {.key = "type"}, {.key = "prevResult"}, {.key = "failOpenNamespaces"}, {.key = "runtimeConfig"}};
        len = ntohl(len);
        char *text = malloc(len ? len : 1);
        if (!text || (len && fread(text, 1, len, stdin) != len))
            return 1;
        putchar(json_object((struct span){text, len}, found, MEMBERS));
        putchar(json_is(found[TYPE].value, "secnet"));
        putchar(json_array_has(found[PASS_NAMESPACES].value, "kube-system"));
        putchar((int)pod_request(found[RUNTIME_CONFIG].value));
        for (int i = 0; i < MEMBERS; i++) {
            uint32_t size = htonl((uint32_t)found[i].value.len);
            fwrite(&size, sizeof size, 1, stdout);
            if (found[i].value.len)
                fwrite(found[i].value.at, 1, found[i].value.len, stdout);
        }
        free(text);
    }
    return 0;
}
