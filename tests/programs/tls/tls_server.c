/*
 * tls_server: answers 200 "ok" to every GET over TLS, a connection at a time.
 *
 *	tls_server PORT KEY CERTIFICATE
 *
 * Linked with whichever library of OpenSSL's interface it was built for.
 */
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static int listen_on(const char *port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, 16) < 0)
		abort();
	return fd;
}

static void serve(SSL *ssl)
{
	char bytes[4096];
	int have = 0, got;

	if (SSL_accept(ssl) <= 0)
		return;
	while ((got = SSL_read(ssl, bytes + have,
			       (int)sizeof(bytes) - 1 - have)) > 0) {
		have += got;
		bytes[have] = 0;
		if (!strstr(bytes, "\r\n\r\n"))
			continue;
		SSL_write(ssl, answer, (int)strlen(answer));
		have = 0;
	}
}

int main(int argc, char **argv)
{
	SSL_CTX *context = SSL_CTX_new(TLS_method());
	int listener;

	if (argc != 4 ||
	    SSL_CTX_use_certificate_chain_file(context, argv[3]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, argv[2], SSL_FILETYPE_PEM) !=
		    1)
		return 1;
	listener = listen_on(argv[1]);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		SSL *ssl = SSL_new(context);

		SSL_set_fd(ssl, fd);
		serve(ssl);
		SSL_shutdown(ssl);
		SSL_free(ssl);
		close(fd);
	}
}
