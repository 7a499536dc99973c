import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.Base64;
import javax.security.auth.x500.X500Principal;
import org.apache.kafka.common.security.ssl.SslPrincipalMapper;

/** Reads questions, a line each with its parts in Base64, and writes the answers in Base64; `!` where there is none. */
public class Principals {
  public static void main(String[] args) throws Exception {
    BufferedReader questions = new BufferedReader(new InputStreamReader(System.in));
    StringBuilder answers = new StringBuilder();
    for (String line = questions.readLine(); line != null; line = questions.readLine()) {
      String[] parts = line.split(" ", -1);
      try {
        byte[] answer = answer(parts[0], decoded(parts[1]), parts.length > 2 ? decoded(parts[2]) : null).getBytes("UTF-8");
        answers.append(Base64.getEncoder().encodeToString(answer)).append('\n');
      } catch (Exception | StackOverflowError e) {
        answers.append("!\n");
      }
    }
    System.out.print(answers);
  }

  private static String answer(String kind, byte[] first, byte[] second) throws Exception {
    switch (kind) {
      case "subject":
        return new X500Principal(first).getName();
      case "certificate":
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        return ((X509Certificate) factory.generateCertificate(new ByteArrayInputStream(first))).getSubjectX500Principal().getName();
      default:
        return SslPrincipalMapper.fromRules(new String(first, "UTF-8")).getName(new String(second, "UTF-8"));
    }
  }

  private static byte[] decoded(String text) {
    return Base64.getDecoder().decode(text);
  }
}
