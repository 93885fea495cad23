"""Programs for Node.js, and where they run."""
