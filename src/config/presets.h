// Smart hosts known by name: what microsoft365, google, amazon-ses:REGION, sendgrid and mailgun
// stand for.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "context.h"
#include "mailroot/config/snapshot.h"

namespace mailroot::config {

// "microsoft365", "amazon-ses:eu-west-1"; nothing: no preset.
std::optional<SmartHost> parse_preset(std::string_view text);

// Sets what the preset says about login and TLS and was not written. `section`:
// "delivery.security".
void apply_preset(const std::vector<SmartHost>& hosts, Login& login, Security& security,
                  const std::string& section, const Context& context);

// A preset stands alone in its list: credentials are for one provider.
bool mixes_presets(const std::vector<SmartHost>& hosts);

}  // namespace mailroot::config
