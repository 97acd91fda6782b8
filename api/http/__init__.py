"""What HTTP needs beside the routes: strict parsing, one shape for errors and answers, repeats, CORS."""
