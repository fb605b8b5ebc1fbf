"""What an adapter is, told from its config and its file's header; network and disk stay outside."""
