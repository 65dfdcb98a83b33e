// JSON answers as text for people.
#pragma once

#include <string>
#include <vector>

namespace mailroot::ctl {

void show_status(const std::vector<std::string>& documents);
void show_texts(const std::vector<std::string>& documents);
void show_servers(const std::vector<std::string>& documents);
void show_queue_header();
void show_queue_page(const std::vector<std::string>& documents);
void show_destinations(const std::vector<std::string>& documents);
void show_connections_header();
void show_connection(const std::string& document);
void show_messages(const std::vector<std::string>& documents);
void show_reload(const std::vector<std::string>& documents);

}  // namespace mailroot::ctl
