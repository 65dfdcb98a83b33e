// A method to do things; the mastodon; XXXL.
int todo_list;
