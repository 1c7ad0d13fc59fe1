/* tls_verdict.h: what is wrong with a server's certificate, in words. Shared by tls*.c only. */
#ifndef HFI_TLS_VERDICT_H
#define HFI_TLS_VERDICT_H

#include <mbedtls/ssl.h>
#include <stdint.h>

struct tls_verdict;

/* Makes the connection's verification strict and lets it report to `verdict`, which is cleared:
 * a request may shake hands several times (a proxy, then the host; a connection that broke). */
void tls_verdict_watch(struct tls_verdict *verdict, mbedtls_ssl_config *config);

#endif
