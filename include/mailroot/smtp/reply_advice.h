// What the refusals of well-known hosts (Microsoft 365, Gmail, Amazon SES and others) mean for an
// administrator, and what to do. Pure.
#pragma once

#include <string>
#include <string_view>

#include "mailroot/smtp/delivery_outcome.h"

namespace mailroot::smtp {

// A plain sentence without full stop; empty when nothing is known that the reply does not say.
std::string_view advice_for(const DeliveryOutcome& outcome);

// summary(), and the advice where there is one.
std::string summary_with_advice(const DeliveryOutcome& outcome);

// A host asks for a login, or does not take ours, in reply to any command: nobody's mail is at
// fault (RFC 4954 6).
bool is_about_login(const DeliveryOutcome& outcome);

}  // namespace mailroot::smtp
