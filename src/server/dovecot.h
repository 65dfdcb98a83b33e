// Dovecot's auth service as the judge of passwords: its client protocol, version 1, at a Unix
// socket ("service auth { unix_listener auth-client }"). A connection a login.
//
//   we  VERSION 1 1, CPID   Dovecot  VERSION, MECH..., SPID, CUID, COOKIE, DONE
//   we  AUTH 1 PLAIN ... resp=      Dovecot  OK 1 ... | FAIL 1 ... [temp]
#pragma once

#include <string>

#include "mailroot/receive/service.h"

namespace mailroot::server {

// Within kDovecotTimeout. An error says nothing about the password: the socket, the protocol, or
// Dovecot itself failed.
reactor::task<result<bool>> ask_dovecot(reactor::Reactor& reactor, std::string path,
                                        receive::LoginAttempt attempt);

}  // namespace mailroot::server
