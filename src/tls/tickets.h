// Session tickets: OpenSSL asks for keys, the connection's TicketKeys has them.
#pragma once

#include <openssl/ssl.h>

namespace mailroot::tls {

class Engine;

void use_tickets(SSL_CTX* context);
// The engine behind a connection, for callbacks.
void set_engine(SSL* ssl, Engine& engine);

}  // namespace mailroot::tls
