/* getrandom.c: mbedTLS's source of randomness, see mbedtls-config.h. */
#include <errno.h>
#include <stddef.h>
#include <sys/random.h>

int mbedtls_hardware_poll(void *data, unsigned char *output, size_t len, size_t *olen);

int mbedtls_hardware_poll(void *data, unsigned char *output, size_t len, size_t *olen)
{
    size_t have = 0;

    (void)data;
    while (have < len) {
        ssize_t got = getrandom(output + have, len - have, 0);
        if (got < 0 && errno != EINTR)
            return -1;
        if (got > 0)
            have += (size_t)got;
    }
    *olen = have;
    return 0;
}
